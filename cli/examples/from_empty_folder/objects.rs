//! Objects of a Salesforce org. Written by `actix-salesforce types`: the next run overwrites changes.
//!
//! Objects: Account:Id,Name,Industry,Owner.Name
//! Crate: actix_salesforce
#![allow(dead_code, unreachable_pub, clippy::all, clippy::pedantic)]

use actix_salesforce::{SObject, SalesforceId};

use actix_salesforce::soql::{InvalidValue, SoqlLiteral, ToSoql};

use serde::{Deserialize, Serialize};

/// Account
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, SObject)]
#[serde(rename_all = "PascalCase")]
pub struct Account {
    /// Account ID
    pub id: SalesforceId,
    /// Account Name
    pub name: String,
    /// Industry
    #[sobject(value)]
    pub industry: Option<AccountIndustry>,
    /// The record behind `OwnerId`: `User`.
    pub owner: Option<AccountOwner>,
}

/// Industry
///
/// The values of `Account.Industry`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(from = "String", into = "String")]
pub enum AccountIndustry {
    /// Transportation
    Transportation,
    /// Food & Beverage
    FoodAndBeverage,
    /// Healthcare
    Healthcare,
    /// Manufacturing
    Manufacturing,
    /// Media
    Media,
    /// Energy
    Energy,
    /// Insurance
    Insurance,
    /// Technology
    Technology,
    /// A value that the org did not have when this file was written.
    Other(String),
}

impl AccountIndustry {
    /// Returns the value as Salesforce stores it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Transportation => "Transportation",
            Self::FoodAndBeverage => "Food & Beverage",
            Self::Healthcare => "Healthcare",
            Self::Manufacturing => "Manufacturing",
            Self::Media => "Media",
            Self::Energy => "Energy",
            Self::Insurance => "Insurance",
            Self::Technology => "Technology",
            Self::Other(value) => value,
        }
    }
}

impl From<String> for AccountIndustry {
    fn from(value: String) -> Self {
        match value.as_str() {
            "Transportation" => Self::Transportation,
            "Food & Beverage" => Self::FoodAndBeverage,
            "Healthcare" => Self::Healthcare,
            "Manufacturing" => Self::Manufacturing,
            "Media" => Self::Media,
            "Energy" => Self::Energy,
            "Insurance" => Self::Insurance,
            "Technology" => Self::Technology,
            _ => Self::Other(value),
        }
    }
}

impl From<AccountIndustry> for String {
    fn from(value: AccountIndustry) -> Self {
        value.as_str().to_owned()
    }
}

impl ToSoql for AccountIndustry {
    fn to_soql(&self) -> Result<SoqlLiteral, InvalidValue> {
        self.as_str().to_soql()
    }
}

/// User
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, SObject)]
#[serde(rename_all = "PascalCase")]
#[sobject(name = "User")]
pub struct AccountOwner {
    /// Full Name
    pub name: String,
}
