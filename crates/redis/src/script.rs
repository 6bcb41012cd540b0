//! The scripts, each beside its SHA-1 by which the server knows it.

/// A script that the server runs in one step.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    code: String,
    hash: String,
}

impl Script {
    fn new(code: String) -> Self {
        let hash = redis::Script::new(&code).get_hash().to_owned();
        Self { code, hash }
    }

    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    pub(crate) fn hash(&self) -> &str {
        &self.hash
    }
}

/// All scripts of the store.
#[derive(Debug)]
pub(crate) struct Scripts {
    /// Replaces a user; refused where the server is out of memory.
    pub(crate) change: Script,
    /// The same, but runs also where the server is out of memory: it ends sessions.
    pub(crate) change_ending: Script,
    /// Ends all sessions of a user without looking at them.
    pub(crate) end_all: Script,
    pub(crate) append: Script,
    pub(crate) checkpoint: Script,
    pub(crate) forget: Script,
    pub(crate) insert_key: Script,
    pub(crate) delete_key: Script,
    pub(crate) replace_fingerprint: Script,
    pub(crate) replace_document: Script,
}

impl Default for Scripts {
    fn default() -> Self {
        let growing = |body: &str| Script::new(format!("#!lua\n{body}"));
        let ending = |body: &str| Script::new(format!("#!lua flags=allow-oom\n{body}"));
        let shared = |body: &str| [include_str!("lua/shared.lua"), body].concat();
        let change = &shared(include_str!("lua/change.lua"));
        Self {
            change: growing(change),
            change_ending: ending(change),
            end_all: ending(&shared(include_str!("lua/end_all.lua"))),
            append: growing(include_str!("lua/append.lua")),
            checkpoint: growing(include_str!("lua/checkpoint.lua")),
            forget: ending(include_str!("lua/forget.lua")),
            insert_key: growing(include_str!("lua/insert_key.lua")),
            delete_key: ending(include_str!("lua/delete_key.lua")),
            replace_fingerprint: ending(include_str!("lua/replace_fingerprint.lua")),
            replace_document: growing(include_str!("lua/replace_document.lua")),
        }
    }
}

impl Scripts {
    pub(crate) fn all(&self) -> [&Script; 10] {
        [
            &self.change,
            &self.change_ending,
            &self.end_all,
            &self.append,
            &self.checkpoint,
            &self.forget,
            &self.insert_key,
            &self.delete_key,
            &self.replace_fingerprint,
            &self.replace_document,
        ]
    }
}

/// All scripts about limits.
#[derive(Debug, Clone)]
pub(crate) struct LimitScripts {
    pub(crate) check: Script,
    pub(crate) peek: Script,
    pub(crate) refund: Script,
    pub(crate) pardon: Script,
}

impl Default for LimitScripts {
    fn default() -> Self {
        let rule = include_str!("lua/limit_rule.lua");
        let shared = concat!(
            include_str!("lua/limit_tally.lua"),
            include_str!("lua/limit_use.lua"),
            include_str!("lua/limit_verdict.lua"),
        );
        let script = |flags: &str, body: &str| Script::new(format!("#!lua{flags}\n{rule}{shared}{body}"));
        let plain = include_str!("lua/limit_plain.lua");
        Self {
            // What comes first makes no function of the rest.
            check: Script::new(format!("#!lua\n{rule}{plain}{shared}{}", include_str!("lua/limit_check.lua"))),
            peek: script(" flags=no-writes", include_str!("lua/limit_peek.lua")),
            refund: script(" flags=allow-oom", include_str!("lua/limit_refund.lua")),
            pardon: script(" flags=allow-oom", include_str!("lua/limit_pardon.lua")),
        }
    }
}

impl LimitScripts {
    pub(crate) fn all(&self) -> [&Script; 4] {
        [&self.check, &self.peek, &self.refund, &self.pardon]
    }
}
