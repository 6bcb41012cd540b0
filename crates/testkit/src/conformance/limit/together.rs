//! Demands of one request.

use super::{HOUR, LimitScene, MINUTE, demand, made, options, rule};
use vestibule_core::limit::{Algorithm, Decision, RuleOptions, Standing, Verdict};

fn remaining(decision: &Decision) -> Vec<u64> {
    decision.verdicts.iter().map(|verdict| verdict.remaining).collect()
}

/// L3: nothing is taken unless everything is allowed.
pub async fn a_request_takes_from_all_its_rules_or_from_none(scene: LimitScene) {
    let rules: Vec<_> = [("ip", 10), ("user", 10), ("endpoint", 2), ("global", 10)]
        .into_iter()
        .map(|(name, count)| rule(name, Algorithm::Gcra, count, HOUR))
        .collect();
    let demands: Vec<_> = rules.iter().map(|rule| demand(rule, "k", 1)).collect();
    let first = scene.check(&demands).await;
    assert!(first.granted);
    assert_eq!(remaining(&first), [9, 9, 1, 9]);
    assert!(scene.check(&demands).await.granted);
    for _ in 0..3 {
        let denied = scene.check(&demands).await;
        assert!(!denied.granted);
        assert_eq!(remaining(&denied), [8, 8, 0, 8]);
        let allowed: Vec<_> = denied.verdicts.iter().map(Verdict::allowed).collect();
        assert_eq!(allowed, [true, true, false, true]);
    }
    assert_eq!(remaining(&scene.peek(&demands).await), [8, 8, 0, 8]);
}

/// L8: what is asked of one key at once is judged by its sum, also when it is asked again.
pub async fn demands_for_one_key_add_up(scene: LimitScene) {
    for algorithm in [Algorithm::Gcra, Algorithm::Sliding, Algorithm::Fixed, Algorithm::Concurrent] {
        let rule = rule(&format!("twice-{algorithm:?}"), algorithm, 5, MINUTE);
        let thrice = [demand(&rule, "k", 2), demand(&rule, "k", 2), demand(&rule, "k", 2)];
        let never = scene.check(&thrice).await;
        let standings: Vec<_> = never.verdicts.iter().map(|verdict| verdict.standing).collect();
        assert_eq!(standings, [Standing::Allowed, Standing::Allowed, Standing::Unsatisfiable], "{algorithm:?}");
        assert_eq!((never.granted, never.verdicts[2].retry_ms), (false, 0), "{algorithm:?}");
        let twice = scene.check(&thrice[..2]).await;
        assert_eq!((twice.granted, remaining(&twice)), (true, vec![3, 1]), "{algorithm:?}");
        scene.give_back(&rule, "k", 2, twice.verdicts[1].at).await;
        let denied = scene.check(&thrice[..2]).await;
        let told = denied.verdicts[1];
        assert_eq!((denied.granted, told.standing, told.remaining), (false, Standing::Denied, 3), "{algorithm:?}");
        assert!(denied.verdicts[0].allowed() && told.retry_ms > 0, "{algorithm:?}: each alone fits in, not both");
        let seen = scene.peek(&thrice[..2]).await;
        assert_eq!((seen.granted, seen.verdicts), (false, denied.verdicts), "{algorithm:?}");
        scene.advance(told.retry_ms - 1);
        assert!(!scene.peek(&thrice[..2]).await.granted, "{algorithm:?}");
        scene.advance(1);
        assert!(scene.check(&thrice[..2]).await.granted, "{algorithm:?}: as was told");
    }
    let shadow = made(RuleOptions { shadow: true, ..options("twice-shadow", Algorithm::Gcra, 3, HOUR) });
    let counted = scene.check(&[demand(&shadow, "k", 2), demand(&shadow, "k", 2)]).await;
    assert_eq!((counted.granted, remaining(&counted)), (true, vec![1, 1]), "what would be denied is not taken");
}
