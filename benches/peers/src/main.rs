//! One measured run of another Rust client, for benches/query: `peers force|cirrus ORIGIN`.
//!
//! Reads all records of the query twice, each time as a stream into the same struct as this crate does, on one thread,
//! and prints what it took.

#[path = "../../query/figures.rs"]
mod figures;

use std::{pin::pin, sync::Arc};

use cirrus::{Cirrus, auth::StaticTokenAuth};
use figures::{SOQL, Sum, measure};
use force::{
    api::RestOperation as _,
    auth::{AccessToken, Authenticator, TokenResponse},
};
use futures_util::TryStreamExt as _;
use serde::Deserialize;

/// Eight fields, as an app would declare them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Account {
    id: String,
    name: String,
    industry: Option<String>,
    phone: Option<String>,
    billing_city: Option<String>,
    annual_revenue: Option<f64>,
    number_of_employees: Option<u32>,
    created_date: String,
}

impl Account {
    fn add_to(self, sum: &mut Sum) {
        let texts = [Some(self.id), Some(self.name), Some(self.created_date), self.industry, self.phone, self.billing_city];
        let lengths = texts.into_iter().flatten().map(|text| text.len()).sum();
        sum.add(lengths, self.annual_revenue, self.number_of_employees);
    }
}

/// A token that a program already has.
#[derive(Debug, Clone)]
struct Token(String);

#[async_trait::async_trait]
impl Authenticator for Token {
    async fn authenticate(&self) -> force::error::Result<AccessToken> {
        Ok(AccessToken::from_response(TokenResponse {
            access_token: secrecy::SecretString::from("00D000000000000!benchmark"),
            instance_url: self.0.clone(),
            token_type: "Bearer".to_owned(),
            issued_at: "1704067200000".to_owned(),
            signature: String::new(),
            expires_in: Some(7_200),
            refresh_token: None,
        }))
    }

    async fn refresh(&self) -> force::error::Result<AccessToken> {
        self.authenticate().await
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let (client, origin) = (arguments.next().unwrap(), arguments.next().unwrap());
    match &*client {
        "force" => {
            let client = force::client::builder().authenticate(Token(origin)).build().await.unwrap();
            measure(async || {
                let mut sum = Sum::default();
                let mut accounts = pin!(client.rest().query_stream::<Account>(SOQL).into_stream());
                while let Some(account) = accounts.try_next().await.unwrap() {
                    account.add_to(&mut sum);
                }
                sum
            })
            .await;
        }
        "cirrus" => {
            let token = Arc::new(StaticTokenAuth::new("00D000000000000!benchmark", origin));
            let client = Cirrus::builder().auth(token).build().unwrap();
            measure(async || {
                let mut sum = Sum::default();
                let mut accounts = client.query_stream_as::<Account>(SOQL);
                while let Some(account) = accounts.try_next().await.unwrap() {
                    account.add_to(&mut sum);
                }
                sum
            })
            .await;
        }
        other => panic!("unknown client {other}"),
    }
}
