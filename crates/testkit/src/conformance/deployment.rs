//! The deployment that a store belongs to.

use super::scene::Scene;
use vestibule_core::{deployment::DeploymentRecord, id::random};

/// Of many that found it at once, one does, and all get its salt.
pub async fn a_deployment_is_founded_once(scene: Scene) {
    let founders: Vec<_> = (0..8)
        .map(|_| {
            let deployment = scene.deployment.clone();
            let fresh = DeploymentRecord { salt: random(), fingerprint: random() };
            tokio::spawn(async move { deployment.init(fresh).await })
        })
        .collect();
    let mut founded = Vec::new();
    for founder in founders {
        founded.push(founder.await.expect("no founder panics").expect("init answers"));
    }
    assert!(founded.iter().all(|record| *record == founded[0]));
    let late = DeploymentRecord { salt: random(), fingerprint: random() };
    assert_eq!(scene.deployment.init(late).await, Ok(founded[0].clone()));
}

/// The salt stays; a fingerprint moves only from the one that the caller knows.
pub async fn a_fingerprint_is_replaced_from_the_one_it_was(scene: Scene) {
    let (first, second) = (random(), random());
    assert_eq!(scene.deployment.replace_fingerprint(first, second).await, Ok(false), "nothing is founded yet");
    let founded = DeploymentRecord { salt: random(), fingerprint: first };
    scene.deployment.init(founded.clone()).await.expect("init answers");
    assert_eq!(scene.deployment.replace_fingerprint(second, first).await, Ok(false));
    assert_eq!(scene.deployment.replace_fingerprint(first, second).await, Ok(true));
    let kept = scene.deployment.init(founded.clone()).await.expect("init answers");
    assert_eq!(kept, DeploymentRecord { fingerprint: second, ..founded });
}
