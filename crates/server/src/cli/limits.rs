//! `vestibule limits`

use super::{
    client::{Client, encoded, query},
    failure::Failure,
    output::Output,
};
use clap::Subcommand;
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List the rules in effect
    List,
    /// Take a unit, if the rule allows it; exit code 1 where it does not
    Check {
        /// The rule
        rule: String,
        /// An address, a user id, `all` for a global rule, or any key
        key: String,
        /// Units to take
        #[arg(long, default_value_t = 1)]
        cost: u64,
        /// Only look
        #[arg(long)]
        peek: bool,
        /// Wait to be allowed, such as 5s; 10s at most
        #[arg(long, value_name = "DURATION", conflicts_with = "peek")]
        wait: Option<String>,
    },
    /// Show where a key stands, taking nothing
    Show {
        /// The rule
        rule: String,
        /// The key
        key: String,
    },
    /// Bring the solution of a challenge: the key begins anew but for its strikes; exit code 1 where it is not taken
    Solve {
        /// The rule
        rule: String,
        /// The key
        key: String,
        /// The puzzle, as `limits check` tells it
        #[arg(requires = "solution", required_unless_present = "response")]
        puzzle: Option<String>,
        /// A text for which SHA-256 of PUZZLE:TEXT begins with as many zero bits as the difficulty says
        solution: Option<String>,
        /// What the verifier's widget gave, in place of puzzle and solution
        #[arg(long, conflicts_with = "puzzle")]
        response: Option<String>,
        /// The client's address, for the verifier
        #[arg(long, requires = "response")]
        ip: Option<String>,
    },
    /// Forget what a key has used, its strikes and its block; every node hears of it within a second
    Reset {
        /// The rule
        #[arg(required_unless_present = "pattern", requires = "key")]
        rule: Option<String>,
        /// The key
        #[arg(requires = "rule")]
        key: Option<String>,
        /// All keys of a rule that this means: RULE:GLOB, where * stands for anything and ? for one character
        #[arg(long, value_name = "RULE:GLOB", conflicts_with_all = ["rule", "key"])]
        pattern: Option<String>,
        /// Only count the keys that a pattern means
        #[arg(long, requires = "pattern", conflicts_with_all = ["rule", "key"])]
        dry_run: bool,
    },
    /// The keys that this server denied most often; each node remembers its own
    Top {
        /// How many
        #[arg(long, default_value_t = 20)]
        limit: u16,
    },
}

impl Command {
    /// Does it.
    pub(super) fn run(self, client: &Client, output: Output) -> Result<ExitCode, Failure> {
        match self {
            Self::List => {
                let columns =
                    ["name", "level", "algorithm", "limit", "count", "period_ms", "apply", "overrides", "shadow", "leased"];
                output.list(&client.get("/v1/limits")?, "rules", &columns)
            }
            Self::Check { rule, key, cost, peek, wait } => {
                let body = json!({ "checks": [{ "rule": rule, "key": key, "cost": cost }], "peek": peek, "wait": wait });
                let answer = client.post("/v1/limits/check", &body)?;
                output.object(&answer, &shown(&answer))?;
                return Ok(if answer["allowed"] == true { ExitCode::SUCCESS } else { ExitCode::FAILURE });
            }
            Self::Show { rule, key } => {
                let answer = client.get(&path(&rule, &key))?;
                output.object(&answer, &answer)
            }
            Self::Solve { rule, key, puzzle, solution, response, ip } => {
                let body =
                    json!({ "rule": rule, "key": key, "puzzle": puzzle, "solution": solution, "response": response, "ip": ip });
                let answer = client.post("/v1/limits/solve", &body)?;
                output.object(&answer, &answer)?;
                return Ok(if answer["solved"] == true { ExitCode::SUCCESS } else { ExitCode::FAILURE });
            }
            Self::Reset { pattern: Some(pattern), dry_run, .. } => reset_matching(client, output, &pattern, dry_run),
            Self::Reset { rule, key, .. } => {
                let (rule, key) = (rule.unwrap_or_default(), key.unwrap_or_default());
                output.done(&client.delete(&path(&rule, &key))?, &format!("reset {rule} for {key}"))
            }
            Self::Top { limit } => {
                let asked = limit.to_string();
                let answer = client.get(&format!("/v1/limits/top{}", query(&[("limit", Some(&asked))])))?;
                output.list(&answer, "keys", &["rule", "key", "denied"])
            }
        }?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The one thing that was asked, how it ended, and what would do instead of waiting.
fn shown(answer: &Value) -> Value {
    let mut shown = answer["limits"][0].clone();
    shown["outcome"] = answer["outcome"].clone();
    for name in ["puzzle", "difficulty", "expires_at"] {
        if let Some(value) = answer["challenge"].get(name) {
            shown[name] = value.clone();
        }
    }
    shown
}

fn path(rule: &str, key: &str) -> String {
    format!("/v1/limits/{}/{}", encoded(rule), encoded(key))
}

fn reset_matching(client: &Client, output: Output, pattern: &str, dry_run: bool) -> Result<(), Failure> {
    let split = pattern.split_once(':').filter(|(rule, glob)| !rule.is_empty() && !glob.is_empty());
    let Some((rule, glob)) = split else {
        return Err(Failure::usage("a pattern is RULE:GLOB, such as login:10.0.*"));
    };
    let body = json!({ "rule": rule, "pattern": glob, "dry_run": dry_run });
    let answer = client.post("/v1/limits/reset", &body)?;
    let verb = if dry_run { "would reset" } else { "reset" };
    let sentence = format!("{verb} {} keys of {rule}", answer["matched"]);
    output.done(&answer, &sentence)
}
