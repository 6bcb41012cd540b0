//! A refresh that meets a revoke.

use super::{issue, json, options, refresh, revoke, verify};
use vestibule_testkit::process::Server;

/// Rounds; `VESTIBULE_TEST_ROUNDS` in the environment makes it more.
const ROUNDS: usize = 100;

/// S68: whichever comes first, after the answer to the revoke nothing of the family is good: neither what the refresh gave, nor what it
/// would give next.
#[test]
fn nothing_is_good_after_a_revoke_that_met_a_refresh() {
    let server = Server::start(options().arg("--ephemeral"));
    let rounds = std::env::var("VESTIBULE_TEST_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    for round in 0..rounds {
        let tokens = issue(&server, "ada");
        let (refreshed, _) = std::thread::scope(|scope| {
            let refreshed = scope.spawn(|| refresh(&server, &tokens));
            let revoked = scope.spawn(|| revoke(&server, &json!({"family_id": tokens["family_id"]})));
            (refreshed.join().expect("an answer"), revoked.join().expect("an answer"))
        });
        let mut held = vec![tokens];
        held.extend((refreshed.status == 200).then(|| refreshed.json()));
        for tokens in &held {
            assert_eq!(verify(&server, tokens).status, 401, "round {round}");
            assert_eq!(refresh(&server, tokens).status, 400, "round {round}");
        }
    }
}
