//! What FleetLock clients send to the coordination server.

use reboot_fuzz::{Input, Limit, fuzz_test};
use reboot_server::fleetlock::Params;
use serde_json::{Value, json};

const WORDS: &[&str] = &[
    "\"client_params\"",
    "\"id\"",
    "\"group\"",
    "\"default\"",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "null",
    "1e999",
    "\\u0000",
    "\\ud800",
    "\"\"",
    "\u{feff}",
];

fuzz_test!(
    fleetlock,
    Input {
        name: "fleetlock",
        words: WORDS,
        runs: 3000,
        limit: Limit::default(),
        check: &check,
    }
);

/// What is read says the same when it is written again; a refusal says why.
fn check(bytes: &[u8]) {
    match Params::read(bytes) {
        Ok(params) => {
            let again = json!({"client_params": {"id": params.id, "group": params.group}});
            // What is passed over may be deeper than this reader goes.
            if let Ok(body) = serde_json::from_slice::<Value>(bytes) {
                for name in ["id", "group"] {
                    assert_eq!(body["client_params"][name], again["client_params"][name]);
                }
            }
            assert_eq!(Params::read(again.to_string().as_bytes()), Ok(params));
        }
        Err(refused) => {
            assert!(refused.kind.status().is_client_error());
            assert!(!refused.value.is_empty());
        }
    }
}
