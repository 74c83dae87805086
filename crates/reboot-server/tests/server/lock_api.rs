//! The lock API as shell scripts see it: forms in, texts with a newline out.

use super::kit::{Answer, House, Line, of_max, post, until};

const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";

async fn send(house: &House, path: &str, headers: &str, body: &str) -> Answer {
    let answer = house.ask(&post(path, headers, body.as_bytes())).await;
    assert!(
        answer.body.ends_with('\n') && answer.body.len() > 1,
        "{answer:?}"
    );
    answer
}

async fn lock(house: &House, body: &str) -> Answer {
    send(house, "/api/v1/lock", FORM, body).await
}

async fn unlock(house: &House, body: &str) -> Answer {
    send(house, "/api/v1/unlock", FORM, body).await
}

async fn waits(house: &House, body: &str) -> Line {
    let mut line = house.line().await;
    line.send(&post("/api/v1/lock", FORM, body.as_bytes()))
        .await;
    until("it waits", || house.waiters() == 1).await;
    line
}

#[tokio::test]
async fn a_host_locks_and_unlocks() {
    let house = House::open(of_max(1)).await;
    let answer = lock(&house, "hostname=a.example").await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, "a.example holds the reboot lock\n")
    );
    assert_eq!(
        lock(&house, "hostname=a.example&wait=false").await.status,
        200
    );
    assert_eq!(house.holders().await, ["a.example"]);
    let taken = lock(&house, "hostname=b&wait=false").await;
    assert_eq!(taken.status, 409);
    assert!(
        taken.body.contains("a.example (rebooting since"),
        "{}",
        taken.body
    );
    assert_eq!(unlock(&house, "hostname=b").await.status, 200);
    assert_eq!(house.holders().await, ["a.example"]);
    let answer = unlock(&house, "hostname=a.example").await;
    assert_eq!(answer.body, "a.example gave the reboot lock back\n");
    assert_eq!(lock(&house, "hostname=b&wait=false").await.status, 200);
}

#[tokio::test]
async fn a_lock_waits_unless_it_is_told_not_to() {
    let house = House::open(of_max(1)).await;
    assert_eq!(lock(&house, "hostname=a").await.status, 200);
    for body in ["hostname=b", "hostname=c&wait=true"] {
        let mut line = waits(&house, body).await;
        let holder = house.holders().await.remove(0);
        unlock(&house, &format!("hostname={holder}")).await;
        assert_eq!(line.answer().await.unwrap().status, 200);
    }
    let gone = waits(&house, "hostname=d").await;
    drop(gone);
    until("its wait is over", || house.waiters() == 0).await;
    unlock(&house, "hostname=c").await;
    assert_eq!(house.holders().await, [""; 0]);
}

#[tokio::test]
async fn a_multipart_form_is_a_form() {
    let house = House::open(of_max(1)).await;
    let headers = "content-type: multipart/form-data; boundary=XX\r\n";
    let field = |name: &str, value: &str| {
        format!("--XX\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let form = field("hostname", "a") + &field("wait", "false") + "--XX--\r\n";
    assert_eq!(
        send(&house, "/api/v1/lock", headers, &form).await.status,
        200
    );
    let other = field("hostname", "b") + &field("wait", "false") + "--XX--\r\n";
    assert_eq!(
        send(&house, "/api/v1/lock", headers, &other).await.status,
        409
    );
    let cut = field("hostname", "a");
    assert_eq!(
        send(&house, "/api/v1/unlock", headers, &cut).await.status,
        400
    );
    assert_eq!(
        send(&house, "/api/v1/unlock", headers, &form).await.status,
        200
    );
    assert_eq!(house.holders().await, [""; 0]);
}

#[tokio::test]
async fn a_bad_form_says_what_it_lacks() {
    let house = House::open(of_max(1)).await;
    let bad = [
        ("", "hostname is missing"),
        ("wait=false", "hostname is missing"),
        ("hostname=", "empty"),
        ("hostname=a/b", "'/'"),
        ("hostname=a&hostname=b", "twice"),
        ("hostname=a&wait=maybe", "true or false"),
        ("{\"hostname\":\"a\"}", "hostname is missing"),
        ("hostname=%00", "character"),
        ("hostname=%ff", "field hostname is no UTF-8"),
        ("hostname=a%fe%20", "field hostname is no UTF-8"),
        ("hostname=a&wait=%ff", "field wait is no UTF-8"),
    ];
    for (body, text) in bad {
        let answer = lock(&house, body).await;
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        assert!(answer.body.contains(text), "{body}: {answer:?}");
    }
    assert_eq!(house.holders().await, [""; 0]);
}

#[tokio::test]
async fn names_that_are_no_text_are_not_made_one_name() {
    let house = House::open(of_max(1)).await;
    let request = |value: &[u8]| {
        let headers = "content-type: multipart/form-data; boundary=XX\r\n";
        let start = &b"--XX\r\ncontent-disposition: form-data; name=\"hostname\"\r\n\r\n"[..];
        let form = [start, value, b"\r\n--XX--\r\n"].concat();
        post("/api/v1/lock", headers, &form)
    };
    for broken in [&b"host-\xfe"[..], b"host-\xff"] {
        let plain = [b"hostname=", broken].concat();
        for request in [request(broken), post("/api/v1/lock", FORM, &plain)] {
            let answer = house.ask(&request).await;
            let expected = (400, "the field hostname is no UTF-8: send it as that\n");
            assert_eq!((answer.status, answer.body.as_str()), expected);
        }
    }
    assert_eq!(house.holders().await, [""; 0]);
    assert_eq!(house.ask(&request("höst".as_bytes())).await.status, 200);
    let again = lock(&house, "hostname=h%C3%b6st&wait=false").await;
    assert_eq!(again.status, 200, "the same name however it is sent");
}

#[tokio::test]
async fn a_kind_of_form_has_no_case() {
    let house = House::open(of_max(1)).await;
    let headers = "content-type: Multipart/Form-Data; boundary=XX\r\n";
    let form = "--XX\r\ncontent-disposition: form-data; name=\"hostname\"\r\n\r\na\r\n--XX--\r\n";
    let answer = send(&house, "/api/v1/lock", headers, form).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn another_method_is_refused_with_the_right_one() {
    let house = House::open(of_max(1)).await;
    for path in ["/api/v1/lock", "/api/v1/unlock"] {
        let answer = house.get(path).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("post")));
        assert_eq!(answer.body, "GET is not possible here: use POST\n");
    }
}

#[tokio::test]
async fn whoever_asks_too_often_is_told_in_a_line() {
    let mut settings = of_max(1);
    settings.limits.requests_per_second = 1;
    let house = House::open(settings).await;
    while house.get("/nothing-is-here").await.status != 429 {}
    let answer = loop {
        let answer = unlock(&house, "hostname=a").await;
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!(answer.status, 429, "{answer:?}");
    assert!(answer.body.contains("ask again later"), "{answer:?}");
    assert!(!answer.body.contains('{'), "{answer:?}");
}
