//! `vestibule tokens`

use super::{
    client::Client,
    failure::Failure,
    output::Output,
    sessions::{given, secret_input},
};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Issue an access token and a refresh token, and print them; they are shown only here
    Issue(Issue),
    /// Check an access token and print its claims; exit code 1 where it is not accepted
    Verify {
        /// `-` reads the token from standard input; without it the token is in VESTIBULE_TOKEN
        #[arg(value_name = "-")]
        source: Option<String>,
        /// Whom it must be for
        #[arg(long, value_name = "NAME")]
        audience: Option<String>,
    },
    /// Exchange a refresh token for the next two tokens, and print them
    Refresh(Refresh),
    /// Revoke: one access token, a family, or all of a session or user
    Revoke(Revoke),
    /// The keys that sign access tokens
    #[command(subcommand)]
    Keys(Keys),
    /// Print the signed list of what outside verifiers must not believe any more
    DenyList,
}

#[derive(Args)]
#[group(id = "whose", required = true, args = ["session", "user"])]
pub(super) struct Issue {
    /// The session that they belong to and end with (ses_...)
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// The user, where there is no session
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// A role, where there is no session; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// A permission; may be repeated
    #[arg(long = "permission", value_name = "PERMISSION")]
    permissions: Vec<String>,
    /// Whom they are for; may be repeated
    #[arg(long = "audience", value_name = "NAME")]
    audience: Vec<String>,
    /// What they allow, words separated by blanks
    #[arg(long, value_name = "WORDS")]
    scope: Option<String>,
    /// The client that they are given to
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// The device that they are given to
    #[arg(long, value_name = "ID")]
    device: Option<String>,
}

#[derive(Args)]
pub(super) struct Refresh {
    /// `-` reads the refresh token from standard input; without it the token is in VESTIBULE_TOKEN
    #[arg(value_name = "-")]
    source: Option<String>,
    /// Only these words of the scope that was granted
    #[arg(long, value_name = "WORDS")]
    scope: Option<String>,
    /// Only for this one of those it was granted for
    #[arg(long, value_name = "NAME")]
    audience: Option<String>,
    /// The client that presents it
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// The device that presents it
    #[arg(long, value_name = "ID")]
    device: Option<String>,
}

#[derive(Args)]
#[group(id = "what", required = true, args = ["id", "token", "family", "session", "user"])]
pub(super) struct Revoke {
    /// One access token, by its id (jti)
    #[arg(long, visible_alias = "jti", value_name = "ID")]
    id: Option<String>,
    /// The access or refresh token that `-` reads from standard input, or that is in VESTIBULE_TOKEN
    #[arg(long, value_name = "-", num_args = 0..=1, default_missing_value = "", hide_default_value = true)]
    token: Option<String>,
    /// A family, with all of its tokens (fam_...)
    #[arg(long, value_name = "ID")]
    family: Option<String>,
    /// The tokens of a session, which goes on (ses_...)
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// All tokens of a user
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Why, for the events
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Subcommand)]
pub(super) enum Keys {
    /// List the keys, and what each is for now
    List,
    /// Publish a new key; it signs after tokens.key_publish_before
    Rotate,
}

impl Command {
    /// Does it.
    pub(super) fn run(self, client: &Client, output: Output) -> Result<ExitCode, Failure> {
        match self {
            Self::Issue(issue) => {
                let answer = client.post("/v1/tokens", &issue.body())?;
                output.object(&answer, &answer)
            }
            Self::Verify { source, audience } => {
                let token = secret_input(source.as_deref(), "token", "VESTIBULE_TOKEN")?;
                let body = given([("token", Some(token)), ("audience", audience)]);
                let answer = client.post("/v1/tokens/verify", &body)?;
                output.object(&answer, &answer["claims"])
            }
            Self::Refresh(refresh) => {
                let answer = client.post("/v1/tokens/refresh", &refresh.body()?)?;
                output.object(&answer, &answer)
            }
            Self::Revoke(revoke) => {
                let answer = client.post("/v1/tokens/revoke", &revoke.body()?)?;
                output.done(&answer, &format!("{} revoked", answer["revoked"]))
            }
            Self::Keys(Keys::List) => {
                let columns = ["kid", "algorithm", "state", "published_at", "signs_from"];
                output.list(&client.get("/v1/tokens/keys")?, "keys", &columns)
            }
            Self::Keys(Keys::Rotate) => {
                let answer = client.post("/v1/tokens/keys/rotate", &json!({}))?;
                output.object(&answer, &answer)
            }
            Self::DenyList => {
                let answer = client.get("/v1/tokens/deny-list")?;
                match output.json {
                    true => output.json(&answer),
                    false => output.text(answer["deny_list"].as_str().unwrap_or_default()),
                }
            }
        }?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Issue {
    fn body(self) -> Value {
        let mut body = given([
            ("session_id", self.session),
            ("user_id", self.user),
            ("scope", self.scope),
            ("client_id", self.client),
            ("device_id", self.device),
        ]);
        for (name, list) in [("roles", self.roles), ("permissions", self.permissions), ("audience", self.audience)] {
            if !list.is_empty() {
                body[name] = json!(list);
            }
        }
        body
    }
}

impl Refresh {
    fn body(self) -> Result<Value, Failure> {
        Ok(given([
            ("refresh_token", Some(secret_input(self.source.as_deref(), "refresh token", "VESTIBULE_TOKEN")?)),
            ("scope", self.scope),
            ("audience", self.audience),
            ("client_id", self.client),
            ("device_id", self.device),
        ]))
    }
}

impl Revoke {
    fn body(self) -> Result<Value, Failure> {
        let source = self.token.as_deref().map(|source| Some(source).filter(|source| !source.is_empty()));
        let token = source.map(|source| secret_input(source, "token", "VESTIBULE_TOKEN")).transpose()?;
        Ok(given([
            ("jti", self.id),
            ("token", token),
            ("family_id", self.family),
            ("session_id", self.session),
            ("user_id", self.user),
            ("reason", self.reason),
        ]))
    }
}
