//! The page under a path of its own, as behind a reverse proxy.

use super::kit::{House, of_max};
use super::send;
use reboot_core::id::GroupName;
use reboot_server::settings::BasePath;

async fn house() -> House {
    let mut settings = of_max(1);
    settings.base_path = BasePath::new("/reboots/x").unwrap();
    House::open(settings).await
}

/// The addresses that a page names in these attributes.
fn addresses(page: &str, attribute: &str) -> Vec<String> {
    let start = format!(" {attribute}=\"");
    let parts = page.split(&start).skip(1);
    let addresses = parts.map(|part| part.split('"').next().unwrap().to_owned());
    addresses
        .filter(|it| !it.starts_with('#') && !it.starts_with("data:"))
        .collect()
}

#[tokio::test]
async fn the_page_and_all_it_names_are_under_the_prefix() {
    let house = house().await;
    let mut pages = Vec::new();
    for path in ["/reboots/x", "/reboots/x/"] {
        let page = house.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.body.contains("Group default"), "{}", page.body);
        for attribute in ["href", "src"] {
            for address in addresses(&page.body, attribute) {
                assert_eq!(house.get(&address).await.status, 200, "{address}");
            }
        }
        assert!(page.body.contains("data-base=\"/reboots/x\""));
        pages.push(page.body);
    }
    assert_eq!(addresses(&pages[0], "href"), addresses(&pages[1], "href"));
    assert_eq!(house.get("/reboots/x/board").await.status, 200);
    for path in ["/", "/board", "/reboots", "/reboots/xy", "/reboots/x/y"] {
        assert_eq!(house.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn an_action_under_a_prefix_comes_back_to_the_page() {
    let house = house().await;
    let page = house.get("/reboots/x/").await.body;
    let forms = addresses(&page, "action");
    let pause = forms.iter().find(|it| it.ends_with("/act/pause")).unwrap();
    let form = "group=default&reason=a+look&until=";
    let done = send(&house, pause, "http://localhost", form).await;
    assert_eq!(done.status, 303, "{}", done.body);
    let page = house.get(done.header("location").unwrap()).await;
    assert_eq!(page.status, 200);
    assert!(
        page.body
            .contains("Paused by somebody at 127.0.0.1: a look"),
        "{}",
        page.body
    );
    let fleet = house.store.look().await.unwrap();
    assert!(fleet.groups[&GroupName::default()].group.pause.is_some());
}
