//! [`Operation`]: what can be asked at a path, and what is answered.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

/// What can be asked at a path.
pub(in super::super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) summary: &'static str,
    pub(super) parameters: Vec<Parameter>,
    /// The media type of what is sent.
    pub(super) body: Option<&'static str>,
    pub(super) status: u16,
    /// The media types of a good answer: which one, the request or the path says.
    pub(super) media: &'static [&'static str],
    /// The schema of a JSON answer.
    pub(super) schema: Option<fn(&mut SchemaGenerator) -> Schema>,
    /// What else may be answered, besides what every request may be.
    pub(super) problems: Vec<u16>,
    pub(super) is_open: bool,
    /// Whether a client that holds the newest answer is told so, with 304.
    pub(super) is_held: bool,
    /// Whether dates may be asked for as text.
    pub(super) is_dated: bool,
}

/// A parameter behind the `?`.
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) schema: Value,
    pub(super) is_needed: bool,
}

/// An operation that answers JSON.
pub(in super::super) fn json<T: JsonSchema>(summary: &'static str) -> Operation {
    Operation {
        schema: Some(SchemaGenerator::subschema_for::<T>),
        ..text(summary, &["application/json"])
    }
}

/// An operation that answers in other forms.
pub(in super::super) fn text(summary: &'static str, media: &'static [&'static str]) -> Operation {
    Operation {
        method: "get",
        path: "",
        summary,
        parameters: Vec::new(),
        body: None,
        status: 200,
        media,
        schema: None,
        problems: Vec::new(),
        is_open: false,
        is_held: false,
        is_dated: false,
    }
}

/// The schema of a number in a path or behind the `?`.
pub(in super::super) fn whole_number() -> Value {
    json!({"type": "integer", "minimum": 0, "maximum": u64::MAX})
}

impl Operation {
    pub(super) fn at(self, method: &'static str, path: &'static str) -> Self {
        Self {
            method,
            path,
            ..self
        }
    }

    /// It may also answer with this status, and a problem.
    pub(in super::super) fn or(mut self, status: u16) -> Self {
        self.problems.push(status);
        self
    }

    /// All is well with another status than 200.
    pub(in super::super) fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// It takes a parameter, whose schema is given; a wrong one is answered with 400.
    pub(in super::super) fn with(
        mut self,
        name: &'static str,
        about: &'static str,
        schema: Value,
    ) -> Self {
        self.parameters.push(Parameter {
            name,
            about,
            schema,
            is_needed: false,
        });
        self.or(400)
    }

    /// As [`Operation::with`]; without the parameter the answer is 400.
    pub(in super::super) fn needs(
        self,
        name: &'static str,
        about: &'static str,
        schema: Value,
    ) -> Self {
        let mut with = self.with(name, about, schema);
        if let Some(parameter) = with.parameters.last_mut() {
            parameter.is_needed = true;
        }
        with
    }

    /// It takes `?dates=number|text`.
    pub(in super::super) fn with_dates(self) -> Self {
        let schema = json!({"enum": ["number", "text"], "default": "number"});
        let dated = self.with("dates", "How dates are written.", schema);
        Self {
            is_dated: true,
            ..dated
        }
    }

    /// It takes a body.
    pub(in super::super) fn with_body(self, media: &'static str) -> Self {
        Self {
            body: Some(media),
            ..self
        }
    }

    /// It is answered without a token.
    pub(in super::super) fn open(self) -> Self {
        Self {
            is_open: true,
            ..self
        }
    }

    /// Who says that it holds the answer (`If-None-Match`) isn't sent it again.
    pub(in super::super) fn held(self) -> Self {
        Self {
            is_held: true,
            ..self
        }
    }
}
