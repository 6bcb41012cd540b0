//! What a server says of itself, judged: its version, and the settings and states that endanger sessions.
//!
//! Pure but for the one question at the end. Everything is read from `INFO`, whole: servers before 7.0 know no list of sections,
//! and they are to hear that they are too old.

use crate::{RedisState, RedisStore, fault::odd, link::bytes};
use redis::Value;
use std::{borrow::Cow, time::Instant};
use vestibule_core::{
    Answer,
    fault::Fault,
    inspect::{Finding, FindingKind, Inspect, Inspection},
    time::{Reading, Timestamp},
};

/// The oldest version whose scripts can say what they do.
const OLDEST_VERSION: u32 = 7;
/// Percent of its memory from which a server is nearly full.
const NEARLY_FULL: u64 = 80;

/// What the server is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The only place where sessions are kept.
    Authority,
    /// A projection of a record, which answers in its place.
    State,
}

/// One server's account of itself.
struct Info<'a>(&'a str);

impl<'a> Info<'a> {
    fn text(&self, field: &str) -> Option<&'a str> {
        self.0.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).map(str::trim_end)
    }

    fn number(&self, field: &str) -> Option<u64> {
        self.text(field)?.parse().ok()
    }

    /// The name and version, where they are good enough.
    fn version(&self) -> Result<String, Fault> {
        // Valkey answers under its own name too; the other version is the one that it is compatible with.
        if let Some(version) = self.text("valkey_version") {
            return Ok(format!("Valkey {version} (untested)"));
        }
        let version = self.text("redis_version").ok_or_else(|| odd("Redis tells no version"))?;
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok()).unwrap_or_default();
        if major < OLDEST_VERSION {
            let text = format!("this is Redis {version}, and 7.0 or later is needed: upgrade it");
            return Err(Fault::Misconfigured(Cow::Owned(text)));
        }
        Ok(format!("Redis {version}"))
    }

    fn time(&self) -> Result<Timestamp, Fault> {
        let us = self.number("server_time_usec").ok_or_else(|| odd("Redis tells no time"))?;
        Ok(Timestamp::from_millis(us / 1_000))
    }

    fn findings(&self, role: Role) -> Vec<Finding> {
        let persistence = if role == Role::Authority { self.persistence() } else { None };
        [self.eviction(), persistence, self.memory(), self.disk()].into_iter().flatten().collect()
    }

    fn eviction(&self) -> Option<Finding> {
        let policy = self.text("maxmemory_policy").filter(|policy| *policy != "noeviction")?;
        Some(Finding {
            kind: FindingKind::Eviction,
            what: format!("maxmemory-policy is {policy}"),
            why: "a full Redis throws sessions away, and users are logged out without a trace",
            remedy: "set maxmemory-policy to noeviction",
        })
    }

    fn persistence(&self) -> Option<Finding> {
        (self.number("aof_enabled") == Some(0)).then(|| Finding {
            kind: FindingKind::Persistence,
            what: "the append-only file is off (appendonly no)".to_owned(),
            why: "Redis alone keeps the sessions, and a restart loses new ones and brings ended ones back",
            remedy: "set appendonly yes, or keep a record in Postgres (DATABASE_URL)",
        })
    }

    fn memory(&self) -> Option<Finding> {
        let limit = self.number("maxmemory").filter(|limit| *limit > 0)?;
        let used = self.number("used_memory")?.saturating_sub(self.number("mem_not_counted_for_evict").unwrap_or(0));
        let percent = used.saturating_mul(100) / limit;
        (percent > NEARLY_FULL).then(|| Finding {
            kind: FindingKind::Memory,
            what: format!("{percent} % of maxmemory is used"),
            why: "a full Redis takes no new session; ending sessions goes on",
            remedy: "raise maxmemory, or move other data elsewhere",
        })
    }

    fn disk(&self) -> Option<Finding> {
        let failed = |field, what| (self.text(field) == Some("err")).then_some(what);
        let what = failed("rdb_last_bgsave_status", "the last snapshot could not be written")
            .or_else(|| failed("aof_last_write_status", "the append-only file could not be written"))?;
        Some(Finding {
            kind: FindingKind::Disk,
            what: what.to_owned(),
            why: "Redis refuses every change until it can write to its disk",
            remedy: "see the log of Redis, free space or mend the permissions of its folder, then run BGSAVE",
        })
    }
}

/// Puts together what the servers in charge say; each with its name, empty where there is one only. The first one's version
/// and clock stand for all.
fn judge(role: Role, asked: Instant, answers: &[(String, String)]) -> Result<Inspection, Fault> {
    let answered = Instant::now();
    let mut inspection: Option<Inspection> = None;
    for (name, text) in answers {
        let info = Info(text);
        let (version, time) = (info.version()?, info.time()?);
        let inspection = inspection.get_or_insert_with(|| Inspection {
            version: version.clone(),
            clock: Reading { time, asked, answered },
            findings: Vec::new(),
        });
        for mut finding in info.findings(role) {
            if inspection.findings.iter().any(|known| known.kind == finding.kind) {
                continue;
            }
            if !name.is_empty() {
                finding.what = format!("{name}: {}", finding.what);
            }
            inspection.findings.push(finding);
        }
    }
    inspection.ok_or_else(|| Fault::Unavailable("no Redis is in charge".into()))
}

impl RedisStore {
    async fn inspect_as(&self, role: Role) -> Result<Inspection, Fault> {
        let asked = Instant::now();
        let answers = self.link.within(self.link.read_masters(&redis::cmd("INFO"))).await?;
        let answers = answers.into_iter().map(|(name, answer)| Ok((name, text(answer)?))).collect::<Result<Vec<_>, Fault>>()?;
        judge(role, asked, &answers)
    }
}

fn text(value: Value) -> Result<String, Fault> {
    Ok(String::from_utf8_lossy(&bytes(value)?.unwrap_or_default()).into_owned())
}

impl Inspect for RedisStore {
    fn inspect(&self) -> Answer<'_, Inspection> {
        Box::pin(self.inspect_as(Role::Authority))
    }
}

impl Inspect for RedisState {
    fn inspect(&self) -> Answer<'_, Inspection> {
        Box::pin(self.0.inspect_as(Role::State))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELL: &str = "# Server\r\nredis_version:7.0.15\r\nserver_time_usec:1795261004750685\r\n# Memory\r\nused_memory:80\r\n\
        maxmemory:100\r\nmaxmemory_policy:noeviction\r\nmem_not_counted_for_evict:0\r\n# Persistence\r\n\
        rdb_last_bgsave_status:ok\r\naof_enabled:1\r\naof_last_write_status:ok\r\n";

    fn findings_with(role: Role, from: &str, to: &str) -> Vec<FindingKind> {
        assert!(WELL.contains(from), "{from}");
        Info(&WELL.replace(from, to)).findings(role).into_iter().map(|finding| finding.kind).collect()
    }

    #[test]
    fn a_server_that_is_set_up_well_has_no_findings() {
        let inspection = judge(Role::Authority, Instant::now(), &[(String::new(), WELL.to_owned())]).expect("it is well");
        assert_eq!((inspection.version.as_str(), inspection.findings.len()), ("Redis 7.0.15", 0));
        assert_eq!(inspection.clock.time.millis(), 1_795_261_004_750);
    }

    #[test]
    fn what_endangers_sessions_is_found() {
        // S100, O16
        let found = |from: &str, to: &str| findings_with(Role::Authority, from, to);
        for policy in ["allkeys-lru", "allkeys-random", "volatile-ttl"] {
            assert_eq!(found("policy:noeviction", &format!("policy:{policy}")), [FindingKind::Eviction]);
        }
        assert_eq!(found("aof_enabled:1", "aof_enabled:0"), [FindingKind::Persistence]);
        assert_eq!(found("used_memory:80", "used_memory:81"), [FindingKind::Memory]);
        assert_eq!(found("maxmemory:100", "maxmemory:0"), []);
        assert_eq!(found("bgsave_status:ok", "bgsave_status:err"), [FindingKind::Disk]);
        assert_eq!(found("aof_last_write_status:ok", "aof_last_write_status:err"), [FindingKind::Disk]);
    }

    #[test]
    fn a_projection_needs_no_persistence() {
        assert_eq!(findings_with(Role::State, "aof_enabled:1", "aof_enabled:0"), []);
    }

    #[test]
    fn versions_before_7_are_refused_and_valkey_is_said_to_be_untested() {
        let version = |text: &str| Info(&WELL.replace("redis_version:7.0.15", text)).version();
        for old in ["6.2.14", "5.0.0", "unknown"] {
            assert!(matches!(version(&format!("redis_version:{old}")), Err(Fault::Misconfigured(_))), "{old}");
        }
        assert_eq!(version("redis_version:8.2.1").as_deref(), Ok("Redis 8.2.1"));
        assert_eq!(version("redis_version:7.2.4\r\nvalkey_version:8.0.1").as_deref(), Ok("Valkey 8.0.1 (untested)"));
    }

    #[test]
    fn one_ill_node_of_many_is_named() {
        let ill = WELL.replace("noeviction", "allkeys-lru");
        let nodes = [("10.0.0.1:6379".to_owned(), WELL.to_owned()), ("10.0.0.2:6379".to_owned(), ill)];
        let inspection = judge(Role::State, Instant::now(), &nodes).expect("both answer");
        assert_eq!(inspection.findings.len(), 1);
        assert_eq!(inspection.findings[0].what, "10.0.0.2:6379: maxmemory-policy is allkeys-lru");
    }
}
