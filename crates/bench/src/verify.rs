//! Verifying an access token in process, revocation included (P9).

use crate::{
    Error,
    bounds::Scale,
    fixture, process,
    report::{Line, Report, median},
    validate::cpu_ns,
};
use std::{hint::black_box, sync::Arc};
use vestibule::{
    Options, TokenOptions, Vestibule,
    event::Origin,
    id::UserId,
    token::service::{
        Tokens,
        issue::{Issuance, NewTokens},
        revoke::Revocation,
        verify::Verification,
    },
};

/// Warm verifications of one round.
const ROUND: usize = 500_000;
/// Denials that every verification is held against.
const DENIALS: usize = 10_000;

/// Adds the lines.
pub(crate) fn measure(scale: &Scale, report: &mut Report) -> Result<(), Error> {
    let sizes = [scale.few, scale.rounds].map(|size| size.to_string());
    let numbers = process::numbers(process::role(&["verify", &sizes[0], &sizes[1]])?)?;
    let [first, warm] = numbers[..] else { return Err("two numbers were expected".into()) };
    report.add(Line {
        bar: "P9",
        what: format!("verify an access token again, {DENIALS} denials held"),
        figure: format!("{:.0}/s ({warm:.0} ns), no round trip", 1e9 / warm),
        reference: format!("for the first time, with its signature, {:.1} us", first / 1_000.0),
        demanded: "<= 1 us",
        reached: Some(warm <= 1_000.0),
    });
    Ok(())
}

/// Measures and prints nanoseconds of processor time: a first verification, and one of a token that was seen before.
pub(crate) fn play(count: usize, rounds: usize) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let options = Options { tokens: Some(TokenOptions::new("https://auth.example")), ..Options::new(fixture::ring()?) };
        let vestibule = Vestibule::open(options).await?;
        let tokens = vestibule.tokens.clone().ok_or("tokens are off")?;
        for user in 0..DENIALS {
            let issued = issue(&tokens, &format!("denied-{user}")).await?;
            tokens.revoke(Revocation::Token(&issued), "bench", Origin::default()).await?;
        }
        let mut seen: [Vec<f64>; 2] = Default::default();
        for round in 0..rounds {
            let mut issued = Vec::with_capacity(count);
            for user in 0..count {
                issued.push(issue(&tokens, &format!("user-{round}-{user}")).await?);
            }
            seen[0].push(verify(&tokens, issued.iter(), count)?);
            seen[1].push(verify(&tokens, issued.iter().cycle().take(ROUND), ROUND)?);
        }
        let [first, warm] = seen.map(median);
        println!("{first} {warm}");
        Ok(())
    })
}

async fn issue(tokens: &Arc<Tokens>, user: &str) -> Result<String, Error> {
    let new = NewTokens { user_id: Some(UserId::new(user)?), roles: vec!["member".into()], ..NewTokens::default() };
    match tokens.issue(new, Origin::default()).await? {
        Issuance::Issued(issued) => Ok(issued.access_token),
        refused => Err(format!("a token was refused: {refused:?}").into()),
    }
}

/// Nanoseconds for each.
fn verify<'a>(tokens: &Tokens, presented: impl Iterator<Item = &'a String>, count: usize) -> Result<f64, Error> {
    let start = cpu_ns()?;
    for token in presented {
        let Verification::Active(claims) = tokens.verify(token, None)? else { return Err("a token is not good".into()) };
        black_box(claims.subject.as_str().len());
    }
    Ok((cpu_ns()? - start) / count as f64)
}
