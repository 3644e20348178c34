//! `/limits`.

use serde_json::json;

use crate::web::call::Call;
use crate::web::reply::{self, Reply};

pub(super) async fn limits(call: Call) -> Reply {
    let max = call.org.settings().api_limit;
    let remaining = max.saturating_sub(call.org.api_calls());
    let same = |max: u64| json!({ "Max": max, "Remaining": max });
    reply::json(
        200,
        &json!({
            "ConcurrentAsyncGetReportInstances": same(200),
            "DailyApiRequests": { "Max": max, "Remaining": remaining },
            "DailyAsyncApexExecutions": same(250_000),
            "DailyBulkApiBatches": same(15_000),
            "DailyBulkV2QueryJobs": same(10_000),
            "DataStorageMB": same(1_024),
            "FileStorageMB": same(1_024),
            "HourlyODataCallout": same(20_000),
            "PermissionSets": { "Max": 1_500, "Remaining": 1_490, "CreateCustom": same(1_000) },
            "SingleEmail": same(5_000),
        }),
    )
}
