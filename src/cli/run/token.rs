//! The admin side's token, from where the pipeline says that it is.

use std::path::PathBuf;

use tidemill_config::{Pipeline, Secret};

use super::super::error::{CliError, Result};
use crate::admin::Token;

/// Where a service manager puts credentials.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Reads the token, if there is to be one.
pub(super) fn of(pipeline: &Pipeline) -> Result<Option<Token>> {
    pipeline.admin.token_file.as_ref().map(read).transpose()
}

fn read(secret: &Secret) -> Result<Token> {
    let wrong = |reason| CliError::Usage(format!("`admin.token_file`: {reason}"));
    if let Secret::Environment(name) = secret {
        let value = std::env::var_os(name)
            .ok_or_else(|| wrong(format!("the environment variable {name} isn't set")))?;
        return Ok(Token::parse(&secret.to_string(), value.as_encoded_bytes())?);
    }
    let credentials = std::env::var_os(CREDENTIALS).map(PathBuf::from);
    match secret.path(credentials.as_deref()).map_err(wrong)? {
        Some(path) => Ok(Token::read(&path)?),
        None => Err(wrong(format!(
            "`{secret}` is no place that a token can be read from"
        ))),
    }
}
