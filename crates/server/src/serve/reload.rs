//! The configuration file, read again while the server runs: when it has changed, and on SIGHUP.
//!
//! Rate limits take effect at once, counts of rules that stay as they are go on. Whatever else changed needs a restart, and the log says
//! which settings. A file with anything wrong in it changes nothing at all; the log and a metric tell.

use super::{bounds, stop::Hangups};
use crate::{
    api,
    config::{self, CheckReport, Config, LimitRule, Limits, Setting, Sources},
};
use std::{collections::BTreeMap, convert::Infallible, io, path::Path};
use tokio::{
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};

/// Where settings come from, and those that the server was started with.
pub(super) struct Watch<'a> {
    sources: &'a Sources<'a>,
    text: Option<String>,
    settings: BTreeMap<String, String>,
}

/// The same, with an ear for SIGHUP.
pub(super) struct Listening<'a> {
    watch: Watch<'a>,
    hangups: Hangups,
}

impl<'a> Watch<'a> {
    /// Looks at the file for the first time; to be done before it is read for the start, so that no change falls in between.
    pub(super) fn new(sources: &'a Sources<'a>) -> Self {
        let text = sources.file.and_then(|path| config::read_file(path).ok());
        Self { sources, text, settings: BTreeMap::new() }
    }

    /// The same, knowing what the server is started with.
    pub(super) fn from(self, settings: Vec<Setting>) -> Self {
        Self { settings: by_key(settings), ..self }
    }

    /// Takes SIGHUP from the operating system, where there is a file that it can mean. Without one it ends the process as it always does,
    /// so that nothing is left behind when a terminal closes.
    ///
    /// # Errors
    /// Where the operating system does not give it.
    pub(super) fn listen(self) -> io::Result<Listening<'a>> {
        let hangups = Hangups::take(self.sources.file.is_some())?;
        Ok(Listening { watch: self, hangups })
    }
}

impl Listening<'_> {
    /// Takes over what changes. Ends never. Cancel safe.
    pub(super) async fn run(mut self, running: &Config, server: &api::Server) -> Infallible {
        let Some(path) = self.watch.sources.file else { return std::future::pending().await };
        let mut file = File { seen: self.watch.text.clone(), judged: self.watch.text.take() };
        metrics::gauge!("vestibule_config_last_reload_successful").set(1.0);
        let mut in_effect = InEffect { limits: running.limits.clone(), running, server };
        let mut beat = interval(bounds::CONFIG_LOOK);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let asked = tokio::select! {
                _ = beat.tick() => false,
                () = self.hangups.next() => true,
            };
            if file.is_due(text_of(path).await, asked) {
                self.watch.reload(&mut in_effect);
            }
        }
    }
}

/// The text of the file, `None` where it cannot be read.
async fn text_of(path: &Path) -> Option<String> {
    let path = path.to_owned();
    spawn_blocking(move || config::read_file(&path).ok()).await.ok()?
}

/// The file as it was seen last, and as it was judged last.
struct File {
    seen: Option<String>,
    judged: Option<String>,
}

impl File {
    /// Whether it is to be judged: when that is asked for, or when it changed and stays as it is. A file under way, half of it written, is
    /// left alone.
    fn is_due(&mut self, text: Option<String>, asked: bool) -> bool {
        let is_due = asked || (text == self.seen && text != self.judged);
        if is_due {
            self.judged.clone_from(&text);
        }
        self.seen = text;
        is_due
    }
}

/// What the server goes by.
struct InEffect<'a> {
    limits: Limits,
    running: &'a Config,
    server: &'a api::Server,
}

impl Watch<'_> {
    /// The file is small and read seldom, and this is the thread of no worker.
    fn reload(&self, in_effect: &mut InEffect<'_>) {
        let outcome = match config::load(self.sources) {
            Ok((config, report)) => {
                self.tell(in_effect.running, &config, report);
                in_effect.take(config.limits);
                "taken"
            }
            Err(error) => {
                for problem in &error.problems {
                    tracing::error!(%problem, "the configuration is refused, and what was in effect stays");
                }
                "refused"
            }
        };
        metrics::counter!("vestibule_config_reloads_total", "outcome" => outcome).increment(1);
        metrics::gauge!("vestibule_config_last_reload_successful").set(f64::from(outcome == "taken"));
    }

    /// Tells what is to be looked at, and what waits for a restart.
    fn tell(&self, running: &Config, config: &Config, report: CheckReport) {
        for warning in &report.warnings {
            tracing::warn!(warning = warning.as_str(), "configuration");
        }
        let mut waiting = changed(&self.settings, &by_key(report.settings));
        waiting.retain(|key| !is_taken(key));
        waiting.extend(changed_secrets(running, config).map(str::to_owned));
        if !waiting.is_empty() {
            tracing::warn!(settings = waiting.join(", "), "changed settings that take effect with the next start");
        }
    }
}

impl InEffect<'_> {
    fn take(&mut self, limits: Limits) {
        let settings = changed_settings(&self.limits, &limits);
        if limits.rules == self.limits.rules && settings.is_empty() {
            return tracing::info!("the configuration was read again: no limit changed");
        }
        let limiter = &self.server.vestibule.limits;
        limiter.replace_rules(limits.in_effect(|user| limiter.tag_of(user)));
        self.server.limit_fields.set(limits.fields);
        let rules = Changes::between(&self.limits.rules, &limits.rules);
        tracing::info!(
            added = listed(&rules.added),
            removed = listed(&rules.removed),
            changed = listed(&rules.changed),
            settings = listed(&settings),
            "the limits were replaced"
        );
        self.limits = limits;
    }
}

/// Whether a setting takes effect while the server runs.
fn is_taken(key: &str) -> bool {
    key.starts_with("limits.") && !key.starts_with("limits.siteverify.")
}

fn by_key(settings: Vec<Setting>) -> BTreeMap<String, String> {
    settings.into_iter().map(|setting| (setting.key, setting.value)).collect()
}

/// The settings that are not the same in both.
fn changed(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<String> {
    let gone = old.keys().filter(|key| !new.contains_key(*key));
    let other = new.iter().filter(|(key, value)| old.get(*key) != Some(value)).map(|(key, _)| key);
    gone.chain(other).cloned().collect()
}

/// Of secrets, settings tell only whether they are set.
fn changed_secrets(old: &Config, new: &Config) -> impl Iterator<Item = &'static str> {
    let siteverify = |config: &Config| config.limits.siteverify.as_ref().map(|settings| settings.secret.clone());
    let pairs = [
        ("secret", old.secret != new.secret),
        ("secret_previous", old.secret_previous != new.secret_previous),
        ("csrf_secret", old.csrf_secret != new.csrf_secret),
        ("management.key", old.management.key != new.management.key),
        ("limits.siteverify.secret", siteverify(old) != siteverify(new)),
    ];
    pairs.into_iter().filter_map(|(name, is_changed)| is_changed.then_some(name))
}

/// Settings of all rules.
fn changed_settings(old: &Limits, new: &Limits) -> Vec<&'static str> {
    let pairs = [
        ("headers", old.fields != new.fields),
        ("prefixes", old.prefixes != new.prefixes),
        ("exempt", old.exempt != new.exempt),
        ("refused", old.refused != new.refused),
    ];
    pairs.into_iter().filter_map(|(name, is_changed)| is_changed.then_some(name)).collect()
}

/// What a log line says of them; nothing of none.
fn listed(names: &[&str]) -> Option<String> {
    (!names.is_empty()).then(|| names.join(", "))
}

/// Names of rules.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changes<'a> {
    added: Vec<&'a str>,
    removed: Vec<&'a str>,
    changed: Vec<&'a str>,
}

impl<'a> Changes<'a> {
    fn between(old: &'a [LimitRule], new: &'a [LimitRule]) -> Self {
        let named = |rules: &'a [LimitRule], name: &str| rules.iter().find(|limit| limit.rule.name() == name);
        let mut changes = Self::default();
        for limit in new {
            match named(old, limit.rule.name()) {
                None => changes.added.push(limit.rule.name()),
                Some(before) if before != limit => changes.changed.push(limit.rule.name()),
                Some(_) => {}
            }
        }
        changes.removed.extend(old.iter().map(|limit| limit.rule.name()).filter(|name| named(new, name).is_none()));
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_due_once_when_it_is_still() {
        let text = |text: &str| Some(text.to_owned());
        let mut file = File { seen: text("a"), judged: text("a") };
        assert!(!file.is_due(text("a"), false));
        assert!(file.is_due(text("a"), true), "asked for");
        assert!(!file.is_due(text(""), false), "being written");
        assert!(!file.is_due(text("b"), false), "it may still grow");
        assert!(file.is_due(text("b"), false));
        assert!(!file.is_due(text("b"), false), "judged, whether it was good or not");
        assert!(!file.is_due(None, false));
        assert!(file.is_due(None, false), "gone");
        assert!(!file.is_due(text("b"), false));
        assert!(file.is_due(text("b"), false), "back");
        assert!(file.is_due(text("c"), true), "asked for");
        assert!(!file.is_due(text("c"), false), "once");
    }
}
