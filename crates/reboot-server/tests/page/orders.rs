//! Asking nodes to reboot, on the page.

use super::{furnished, get, send};

#[tokio::test]
async fn the_page_asks_a_node_to_reboot_and_no_longer() {
    let house = furnished().await;
    let here = "http://localhost";
    let form = "node=node-e&reason=a+new+disk&until=";
    let answer = send(&house, "/act/reboot", here, form).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    house.desk.view().fresh().await.unwrap();
    let page = get(&house, "/").await.body;
    assert!(page.contains("ordered by somebody at 127.0.0.1"), "{page}");
    assert!(page.contains("Ask node-e no longer"), "{page}");
    assert!(page.contains("is asked to reboot"), "the history tells");
    let answer = send(&house, "/act/cancel-reboot", here, "node=node-e").await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    assert!(house.store.look().await.unwrap().orders.is_empty());
    let elsewhere = send(&house, "/act/reboot", "http://evil", form).await;
    assert_eq!(elsewhere.status, 403, "{}", elsewhere.body);
    for (form, status, told) in [
        ("node=node-x&reason=x", 404, "not known"),
        ("node=node-e&reason=+", 400, "say why"),
        ("node=node-e&reason=x&until=soon", 400, "write a time"),
    ] {
        let answer = send(&house, "/act/reboot", here, form).await;
        assert_eq!(answer.status, status, "{form}: {}", answer.body);
        assert!(answer.body.contains(told), "{told}: {}", answer.body);
    }
    assert!(house.store.look().await.unwrap().orders.is_empty());
}
