//! Metrics as a scraper sees them.

#![allow(clippy::unwrap_used, missing_docs)] // a test fails best where it fails

use clusterrebootd_cli::metrics::{
    Activity, CheckResult, Claim, Exposition, Finding, Health, HealthState, Listener, Metrics,
    Phase, Publication, Reading, Switch, WindowState,
};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Everything happened once.
fn eventful() -> Metrics {
    let metrics = Metrics::new();
    metrics.pass_ended("no_action");
    metrics.detector_evaluated(Phase::PreLock, Finding::Requires, 0.02);
    metrics.health_checked(Phase::Monitor, Health::Pass, 0.3);
    metrics.lock_attempted(Claim::Contended, 0.001);
    metrics.lock_released(CheckResult::Success, 11.0);
    metrics.kill_switch_checked(Phase::PostLock, Switch::Inactive);
    metrics.window_evaluated(WindowState::OutsideAllow);
    metrics.cooldown_checked(Phase::PreLock, Switch::Active);
    metrics.cooldown_changed(Activity::Started, CheckResult::Success);
    metrics.cooldown_changed(Activity::Cleared, CheckResult::Error);
    metrics.cluster_health_checked(Phase::PostLock, Reading::Skipped);
    metrics.cluster_health_updated(Phase::Heartbeat, HealthState::Healthy, Publication::Success);
    metrics.store_lost(1_800_000_000);
    metrics
}

/// What is this machine's rather than the test's.
fn without_process(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.contains("process_"));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn names_and_labels_are_those_of_the_contract() {
    let text = eventful().render(Exposition::Text);
    insta::assert_snapshot!("metrics_text", without_process(&text));
}

#[test]
fn open_metrics_is_spoken_too() {
    let text = eventful().render(Exposition::OpenMetrics);
    assert!(text.ends_with("# EOF\n"));
    assert!(text.contains("# TYPE clusterrebootd_lock_attempts counter\n"));
    assert!(text.contains("clusterrebootd_lock_attempts_total{result=\"contended\"} 1\n"));
}

#[test]
fn process_metrics_have_their_usual_names() {
    let text = Metrics::new().render(Exposition::Text);
    for line in [
        "# TYPE process_cpu_seconds_total counter",
        "# TYPE process_resident_memory_bytes gauge",
        "# TYPE process_virtual_memory_bytes gauge",
        "# TYPE process_open_fds gauge",
        "# TYPE process_max_fds gauge",
        "# TYPE process_start_time_seconds gauge",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(
        text.lines()
            .any(|line| line.starts_with("process_cpu_seconds_total ")),
        "{text}"
    );
}

fn run(test: impl AsyncFnOnce(SocketAddr)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let listener = Listener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.address();
        let server = tokio::spawn(listener.serve(eventful()));
        test(address).await;
        server.abort();
    });
}

async fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut reply = Vec::new();
    // A server that refuses closes before it has read all, which may reset the connection.
    let _ = stream.read_to_end(&mut reply).await;
    String::from_utf8(reply).unwrap()
}

#[test]
fn any_path_shows_the_metrics() {
    run(async |address| {
        for path in ["/metrics", "/", "/x?y=z"] {
            let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
            let reply = exchange(address, request.as_bytes()).await;
            let (head, body) = reply.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
            assert!(head.contains("Content-Type: text/plain; version=0.0.4; charset=utf-8"));
            assert!(
                head.contains(&format!("Content-Length: {}\r\n", body.len())),
                "{head}"
            );
            assert!(
                body.contains("clusterrebootd_orchestration_outcomes_total"),
                "{body}"
            );
        }
    });
}

#[test]
fn open_metrics_is_sent_to_who_asks_for_it() {
    run(async |address| {
        let request = b"GET / HTTP/1.1\r\nACCEPT: application/openmetrics-text;version=1.0.0,\
                        text/plain;q=0.5\r\n\r\n";
        let reply = exchange(address, request).await;
        assert!(
            reply.contains("application/openmetrics-text; version=1.0.0"),
            "{reply}"
        );
        assert!(reply.ends_with("# EOF\n"));
    });
}

#[test]
fn a_head_request_is_answered_without_a_body() {
    run(async |address| {
        let reply = exchange(address, b"HEAD / HTTP/1.0\r\n\r\n").await;
        assert!(
            reply.starts_with("HTTP/1.1 200 OK") && reply.ends_with("\r\n\r\n"),
            "{reply}"
        );
    });
}

#[test]
fn what_is_no_scrape_is_refused() {
    run(async |address| {
        for (request, expected) in [
            (&b"POST / HTTP/1.1\r\n\r\n"[..], "405"),
            (b"nonsense\r\n\r\n", "400"),
            (b"GET / SMTP\r\n\r\n", "400"),
            (b"GET /\xff HTTP/1.1\r\n\r\n", "400"),
            (&[b'a'; 8 * 1024 + 1], "431"),
        ] {
            let reply = exchange(address, request).await;
            assert!(
                reply.starts_with(&format!("HTTP/1.1 {expected}")),
                "{expected}: {reply}"
            );
        }
    });
}

#[test]
fn many_scrapers_at_once_are_all_answered() {
    run(async |address| {
        let mut idle = Vec::new();
        for _ in 0..63 {
            idle.push(TcpStream::connect(address).await.unwrap());
        }
        let one = tokio::spawn(exchange_owned(address));
        let other = tokio::spawn(exchange_owned(address));
        assert!(one.await.unwrap().starts_with("HTTP/1.1 200"));
        assert!(other.await.unwrap().starts_with("HTTP/1.1 200"));
        drop(idle);
        assert!(exchange_owned(address).await.starts_with("HTTP/1.1 200"));
    });
}

async fn exchange_owned(address: SocketAddr) -> String {
    exchange(address, b"GET / HTTP/1.1\r\n\r\n").await
}

#[test]
fn an_address_in_use_is_an_error() {
    run(async |address| {
        assert!(Listener::bind(&address.to_string()).await.is_err());
        let port = Listener::bind(":0").await.unwrap().address().port();
        assert_ne!(port, 0, "without a host, every address");
    });
}
