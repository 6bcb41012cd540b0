//! [`Operation`]: what the document says of one method of one path.

/// What an operation asks of its caller.
#[derive(Debug, Clone, Copy)]
pub(super) enum Guard {
    /// Nothing.
    Open,
    /// A session cookie.
    Cookie,
    /// A management key of any scope.
    AnyKey,
    /// A management key with this scope.
    Key(&'static str),
}

/// Field name (with `?` where it may be absent) and kind.
pub(super) type Fields = &'static [(&'static str, &'static str)];

/// One method of one path.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) summary: &'static str,
    pub(super) guard: Guard,
    pub(super) query: &'static [&'static str],
    pub(super) takes_revision: bool,
    /// An empty list is an object of any members.
    pub(super) body: Option<Fields>,
    /// Whether the body is a form instead of JSON.
    pub(super) is_form: bool,
    /// Status of success, and the shape of its body.
    pub(super) answer: (u16, &'static str),
}

impl Operation {
    pub(super) const fn new(
        method: &'static str,
        path: &'static str,
        guard: Guard,
        summary: &'static str,
        answer: (u16, &'static str),
    ) -> Self {
        Self { method, path, summary, guard, query: &[], takes_revision: false, body: None, is_form: false, answer }
    }

    pub(super) const fn takes(mut self, body: Fields) -> Self {
        self.body = Some(body);
        self
    }

    pub(super) const fn takes_form(mut self, body: Fields) -> Self {
        self.body = Some(body);
        self.is_form = true;
        self
    }

    pub(super) const fn asks(mut self, query: &'static [&'static str]) -> Self {
        self.query = query;
        self
    }

    pub(super) const fn at_revision(mut self) -> Self {
        self.takes_revision = true;
        self
    }
}
