//! Aliases lead from the tokens of another system to their users.

use super::scene::{HOUR, ROOMY, Scene};
use vestibule_core::{
    alias::Alias,
    bounds::IMPORT_BATCH,
    id::{UserTag, random},
    session::{
        TokenDigest,
        command::{CreateOutcome, CreateSession, FindOutcome},
        packed::Generation,
    },
};

fn fresh(scene: &Scene) -> Alias {
    Alias { digest: TokenDigest::from_bytes(random()), tag: UserTag::anonymous(), expires_at: scene.now().plus_ms(HOUR) }
}

/// Each of a whole batch, and nobody else's.
pub async fn an_alias_leads_to_its_user_until_it_expires(scene: Scene) {
    let aliases: Vec<Alias> = (0..IMPORT_BATCH).map(|_| fresh(&scene)).collect();
    assert_eq!(scene.aliases.resolve(aliases[0].digest, scene.now()).await, Ok(None));
    scene.aliases.keep(aliases.clone()).await.expect("keep answers");
    for alias in [&aliases[0], &aliases[IMPORT_BATCH / 2], &aliases[IMPORT_BATCH - 1]] {
        assert_eq!(scene.aliases.resolve(alias.digest, scene.now()).await, Ok(Some(alias.tag)));
        let other = fresh(&scene).digest;
        assert_eq!(scene.aliases.resolve(other, scene.now()).await, Ok(None));
    }
    scene.advance(2 * HOUR);
    // A store may remember for a moment what it said, so this one was not asked for before.
    assert_eq!(scene.aliases.resolve(aliases[1].digest, scene.now()).await, Ok(None));
}

/// Keeping it again changes nothing.
pub async fn an_alias_never_leads_elsewhere(scene: Scene) {
    let first = fresh(&scene);
    scene.aliases.keep(vec![first]).await.expect("keep answers");
    let second = Alias { tag: UserTag::anonymous(), ..first };
    scene.aliases.keep(vec![second, first]).await.expect("keep answers");
    assert_eq!(scene.aliases.resolve(first.digest, scene.now()).await, Ok(Some(first.tag)));
}

/// An import that is repeated, or runs twice at once, presents the same session again.
pub async fn an_imported_session_is_found_and_begins_once(scene: Scene) {
    let person = scene.person();
    let session = scene.session(&person);
    let command = CreateSession { session: session.clone(), cap: ROOMY, login: false, device: None, is_new_browser: false };
    let (one, two) =
        tokio::join!(scene.sessions.create(scene.cx(), command.clone()), scene.sessions.create(scene.cx(), command.clone()));
    for created in [one, two] {
        assert!(matches!(created, Ok(CreateOutcome::Created { .. })), "{created:?}");
    }
    let live = scene.list(&person).await;
    assert_eq!(live.iter().map(|session| session.id()).collect::<Vec<_>>(), [session.id]);
    let found = scene.find_digest(person.tag, session.digest).await;
    assert!(matches!(found, FindOutcome::Found { generation: Generation::Current, .. }), "{found:?}");
}
