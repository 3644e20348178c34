//! One measured run of this crate.

use actix_salesforce::{Connection, Salesforce, SalesforceId, Secret};
use futures_util::TryStreamExt as _;
use serde::Deserialize;

use crate::figures::{SOQL, Sum, measure};

/// Eight fields, as an app would declare them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Account {
    id: SalesforceId,
    name: String,
    industry: Option<String>,
    phone: Option<String>,
    billing_city: Option<String>,
    annual_revenue: Option<f64>,
    number_of_employees: Option<u32>,
    created_date: String,
}

/// Reads all records twice, and prints what it took.
pub(crate) fn run(origin: &str) {
    // As in a worker of an app: one thread.
    actix_web::rt::System::new().block_on(async {
        let sf = connect(origin).await;
        // Settles the connection and first allocations.
        sf.get("limits").send().await.unwrap();
        measure(async || read(&sf).await).await;
    });
}

async fn connect(origin: &str) -> Connection {
    let salesforce = Salesforce::builder().client_id("bench").login_url(origin).allowed_origin(origin);
    let salesforce = salesforce.build().await.unwrap();
    let host = salesforce.login_host();
    let tokens = salesforce.oauth().refresh(host, &Secret::new("bench")).await.unwrap();
    salesforce.import_tokens(host, tokens).await.unwrap()
}

async fn read(sf: &Connection) -> Sum {
    let mut accounts = sf.query::<Account>(SOQL).fetch();
    let mut sum = Sum::default();
    while let Some(account) = accounts.try_next().await.unwrap() {
        let texts = [
            Some(account.name),
            Some(account.created_date),
            account.industry,
            account.phone,
            account.billing_city,
        ];
        let lengths: usize = texts.into_iter().flatten().map(|text| text.len()).sum();
        sum.add(account.id.as_str().len() + lengths, account.annual_revenue, account.number_of_employees);
    }
    sum
}
