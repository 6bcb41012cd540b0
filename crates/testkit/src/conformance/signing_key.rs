//! The keys behind access tokens are one document, changed by compare and set.

use super::scene::Scene;
use vestibule_core::token::signing::{KeyDocument, ReplaceKeysOutcome};

fn document(version: u64, content: u8) -> KeyDocument {
    KeyDocument { version, bytes: vec![content; 2_000] }
}

/// Each version follows the one before it, and is kept byte for byte.
pub async fn signing_keys_are_replaced_version_by_version(scene: Scene) {
    let keys = &scene.signing_keys;
    let replace =
        async |version, content| keys.replace_signing_keys(document(version, content)).await.expect("replace answers");
    assert_eq!(keys.signing_keys().await, Ok(None));
    assert_eq!(replace(2, 0).await, ReplaceKeysOutcome::Conflict, "nothing is stored that it could follow");
    assert_eq!(replace(1, 1).await, ReplaceKeysOutcome::Replaced);
    assert_eq!(replace(1, 2).await, ReplaceKeysOutcome::Conflict);
    assert_eq!(replace(3, 2).await, ReplaceKeysOutcome::Conflict);
    assert_eq!(keys.signing_keys().await, Ok(Some(document(1, 1))));
    for version in 2..12 {
        assert_eq!(replace(version, 3).await, ReplaceKeysOutcome::Replaced, "{version}");
    }
    assert_eq!(keys.signing_keys().await, Ok(Some(document(11, 3))));
}

/// Of many nodes that found or rotate at once, one does.
pub async fn of_many_writers_of_signing_keys_one_wins(scene: Scene) {
    for version in 1..4 {
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let keys = scene.signing_keys.clone();
                tokio::spawn(async move { (writer, keys.replace_signing_keys(document(version, writer)).await) })
            })
            .collect();
        let mut won = Vec::new();
        for writer in writers {
            let (writer, outcome) = writer.await.expect("no writer panics");
            if outcome.expect("replace answers") == ReplaceKeysOutcome::Replaced {
                won.push(writer);
            }
        }
        let [winner] = won[..] else { panic!("{won:?} all won version {version}") };
        assert_eq!(scene.signing_keys.signing_keys().await, Ok(Some(document(version, winner))));
    }
}
