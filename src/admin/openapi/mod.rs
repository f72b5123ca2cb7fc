//! `/api/v1/openapi.json`: what can be asked here, described by OpenAPI 3.1.
//!
//! Invariant: a route of the API is declared once, with its description, and router and document are made of that; the
//! schemas are those of the types that are written. So neither can have what the other doesn't.

mod document;
mod operation;

pub(super) use operation::{Operation, json, text, whole_number};

use std::convert::Infallible;

use axum::Router;
use axum::handler::Handler;
use axum::http::header;
use axum::routing::{MethodRouter, get, post};
use bytes::Bytes;

/// Routes with their descriptions.
pub(super) struct Routes<S> {
    router: Router<S>,
    operations: Vec<Operation>,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    pub(super) fn new() -> Self {
        Self {
            router: Router::new(),
            operations: Vec::new(),
        }
    }

    pub(super) fn get<H, T>(self, path: &'static str, handler: H, operation: Operation) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.route(path, "get", get(handler), operation)
    }

    pub(super) fn post<H, T>(self, path: &'static str, handler: H, operation: Operation) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.route(path, "post", post(handler), operation)
    }

    fn route(
        mut self,
        path: &'static str,
        method: &'static str,
        route: MethodRouter<S, Infallible>,
        operation: Operation,
    ) -> Self {
        self.router = self.router.route(path, route);
        self.operations.push(operation.at(method, path));
        self
    }

    /// With what a request passes on its way to these routes.
    pub(super) fn layered(mut self, layer: impl FnOnce(Router<S>) -> Router<S>) -> Self {
        self.router = layer(self.router);
        self
    }

    /// With what holds for all of these operations.
    pub(super) fn each(mut self, change: impl FnMut(Operation) -> Operation) -> Self {
        self.operations = self.operations.into_iter().map(change).collect();
        self
    }

    pub(super) fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.operations.extend(other.operations);
        self
    }

    /// Describes what another router serves.
    pub(super) fn describe(
        mut self,
        method: &'static str,
        path: &'static str,
        operation: Operation,
    ) -> Self {
        self.operations.push(operation.at(method, path));
        self
    }

    /// The router, which also gives the document.
    pub(super) fn into_router(self) -> Router<S> {
        let path = "/api/v1/openapi.json";
        let own = json::<serde_json::Value>("This document.").at("get", path);
        let operations: Vec<Operation> = self.operations.into_iter().chain([own]).collect();
        let document = Bytes::from(document::document(&operations).to_string());
        let answer = move || async { ([(header::CONTENT_TYPE, "application/json")], document) };
        self.router.route(path, get(answer))
    }
}
