//! A key that everybody asks for all the time.

use super::{HOUR, LimitScene, made, options};
use crate::bounds::{HOT_CHECKS, HOT_NODES, LIMIT_TASKS};
use std::{sync::Arc, time::Instant};
use vestibule_core::{
    limit::{Algorithm, Level, RuleOptions},
    secret::KeyRing,
};

/// L23: nodes that take units of a hot key ahead grant what one would, and not all that they took is lost.
pub async fn nodes_share_a_hot_key(scene: LimitScene) {
    const LIMIT: usize = 3_600;
    let rule = made(RuleOptions { level: Level::Global, ..options("hot", Algorithm::Gcra, LIMIT as u64, HOUR) });
    let (ring, started) = (Arc::new(KeyRing::ephemeral()), Instant::now());
    let nodes: Vec<_> = (0..HOT_NODES).map(|_| scene.node(&rule, &ring)).collect();
    let serve = |number: usize| {
        let node = nodes[number % HOT_NODES].clone();
        tokio::spawn(async move {
            let mut granted = 0;
            for _ in 0..HOT_CHECKS {
                let asked = vec![node.ask("hot", "all", 1).expect("a rule")];
                granted += usize::from(node.check(asked).await.expect("one is not too many").outcome.allowed());
                tokio::task::yield_now().await;
            }
            granted
        })
    };
    let mut granted = 0;
    for task in (0..LIMIT_TASKS).map(serve).collect::<Vec<_>>() {
        granted += task.await.expect("the task ends");
    }
    let refilled = started.elapsed().as_secs() as usize + 1;
    assert!((LIMIT / 2..=LIMIT + refilled).contains(&granted), "{granted} of {LIMIT}");
}
