//! `batches/{time}/inputs`: what a batch is made of. Spark's page shows it, its API doesn't.

use axum::Json;
use axum::extract::State;

use super::super::Admin;
use super::Parts;
use super::batches::find;
use crate::BatchInput;
use crate::problem::Problem;

pub(super) async fn inputs(
    State(shared): Admin,
    axum::extract::Path([app, time]): Parts<2>,
) -> Result<Json<Vec<BatchInput>>, Problem> {
    let info = find(&shared, &app, &time)?;
    let inputs = shared.context.batch_inputs(info.batch_time);
    Ok(Json(inputs.unwrap_or_default()))
}
