//! `/limits`.

use serde_json::json;

use super::response::{Response, Result};
use super::rest_request::RestRequest;
use crate::data::Inner;

pub(super) fn limits(request: &RestRequest<'_>, _: &mut Inner) -> Result {
    let max = request.org.settings().api_limit;
    let same = |max: u64| json!({ "Max": max, "Remaining": max });
    let left = |max: u64, used: u64| json!({ "Max": max, "Remaining": max.saturating_sub(used) });
    let (ingest, query) = request.org.jobs(|jobs| jobs.started());
    Ok(Response::json(
        200,
        json!({
            "ConcurrentAsyncGetReportInstances": same(200),
            "DailyApiRequests": left(max, request.org.api_calls()),
            "DailyAsyncApexExecutions": same(250_000),
            "DailyBulkApiBatches": left(15_000, ingest),
            "DailyBulkV2QueryJobs": left(10_000, query),
            "DataStorageMB": same(1_024),
            "FileStorageMB": same(1_024),
            "HourlyODataCallout": same(20_000),
            "PermissionSets": { "Max": 1_500, "Remaining": 1_490, "CreateCustom": same(1_000) },
            "SingleEmail": same(5_000),
        }),
    ))
}
