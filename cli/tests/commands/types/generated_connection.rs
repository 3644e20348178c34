//! Objects of a Salesforce org. Written by `actix-salesforce types`: the next run overwrites changes.
//!
//! Objects: Gadget__c:Id,Name,Gen__c,Count__c,Big__c,Share__c,Price__c,Made__c,Sold_At__c,Opens__c,Address__c,Place__c,Raw__c,Rating__c,Regions__c,Free_Regions__c,Parent__c,Owner_Account__r.Owner.Name Setting__mdt
//! Crate: salesforce_connection
#![allow(dead_code, unreachable_pub, clippy::all, clippy::pedantic)]

use salesforce_connection::{SObject, SalesforceId};

use salesforce_connection::records::{Address, Location};

use salesforce_connection::soql::{
    InvalidValue, SoqlDate, SoqlDateTime, SoqlDecimal, SoqlLiteral, SoqlTime, ToSoql,
};

use serde::{Deserialize, Serialize};

/// Gadget
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, SObject)]
#[serde(rename_all = "PascalCase")]
#[sobject(name = "Gadget__c")]
pub struct Gadget {
    /// Record ID
    pub id: SalesforceId,
    /// Name
    pub name: String,
    /// Gen
    #[serde(rename = "Gen__c")]
    pub r#gen: bool,
    /// Count
    #[serde(rename = "Count__c")]
    pub count: Option<i32>,
    /// Big
    #[serde(rename = "Big__c")]
    pub big: Option<i64>,
    /// Share
    #[serde(rename = "Share__c")]
    pub share: Option<f64>,
    /// Price
    #[serde(rename = "Price__c")]
    pub price: Option<SoqlDecimal>,
    /// Made
    #[serde(rename = "Made__c")]
    pub made: Option<SoqlDate>,
    /// Sold At
    #[serde(rename = "Sold_At__c")]
    pub sold_at: SoqlDateTime,
    /// Opens
    #[serde(rename = "Opens__c")]
    pub opens: Option<SoqlTime>,
    /// Address
    #[serde(rename = "Address__c")]
    pub address: Option<Address>,
    /// Place
    #[serde(rename = "Place__c")]
    pub place: Option<Location>,
    /// Raw
    #[serde(rename = "Raw__c")]
    pub raw: Option<serde_json::Value>,
    /// Rating
    #[sobject(value)]
    #[serde(rename = "Rating__c")]
    pub rating: GadgetRating,
    /// Regions
    #[sobject(value)]
    #[serde(rename = "Regions__c")]
    #[serde(with = "salesforce_connection::serde_helpers::multi_picklist")]
    pub regions: Vec<GadgetRegions>,
    /// Free Regions
    #[sobject(value)]
    #[serde(rename = "Free_Regions__c")]
    #[serde(with = "salesforce_connection::serde_helpers::multi_picklist")]
    pub free_regions: Vec<String>,
    /// Parent
    ///
    /// Refers to `Gadget__c`.
    #[serde(rename = "Parent__c")]
    pub parent_id: Option<SalesforceId>,
    /// The record behind `Owner_Account__c`: `Account`.
    #[serde(rename = "Owner_Account__r")]
    pub owner_account: Option<GadgetOwnerAccount>,
}

/// Rating
///
/// The values of `Gadget__c.Rating__c`.
///
/// The org accepts these values only.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(from = "String", into = "String")]
pub enum GadgetRating {
    /// Below ten
    Below10,
    /// 10-100
    N10_100,
    /// 100+
    N100Plus,
    /// C
    C,
    /// C++
    CPlusPlus,
    /// Small c
    ///
    /// No longer offered; older records may have it.
    C2,
    /// Beijing
    BeiJing,
    /// "quoted" \\ and turned
    QuotedAndTurned,
    /// A value that the org did not have when this file was written.
    Other(String),
}

impl GadgetRating {
    /// Returns the value as Salesforce stores it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Below10 => "<10",
            Self::N10_100 => "10-100",
            Self::N100Plus => "100+",
            Self::C => "C",
            Self::CPlusPlus => "C++",
            Self::C2 => "c",
            Self::BeiJing => "北京",
            Self::QuotedAndTurned => "\"quoted\" \\ and \u{202e} turned",
            Self::Other(value) => value,
        }
    }
}

impl From<String> for GadgetRating {
    fn from(value: String) -> Self {
        match value.as_str() {
            "<10" => Self::Below10,
            "10-100" => Self::N10_100,
            "100+" => Self::N100Plus,
            "C" => Self::C,
            "C++" => Self::CPlusPlus,
            "c" => Self::C2,
            "北京" => Self::BeiJing,
            "\"quoted\" \\ and \u{202e} turned" => Self::QuotedAndTurned,
            _ => Self::Other(value),
        }
    }
}

impl From<GadgetRating> for String {
    fn from(value: GadgetRating) -> Self {
        value.as_str().to_owned()
    }
}

impl ToSoql for GadgetRating {
    fn to_soql(&self) -> Result<SoqlLiteral, InvalidValue> {
        self.as_str().to_soql()
    }
}

/// Regions
///
/// The values of `Gadget__c.Regions__c`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(from = "String", into = "String")]
pub enum GadgetRegions {
    /// North
    North,
    /// South
    South,
    /// A value that the org did not have when this file was written.
    Other(String),
}

impl GadgetRegions {
    /// Returns the value as Salesforce stores it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::North => "North",
            Self::South => "South",
            Self::Other(value) => value,
        }
    }
}

impl From<String> for GadgetRegions {
    fn from(value: String) -> Self {
        match value.as_str() {
            "North" => Self::North,
            "South" => Self::South,
            _ => Self::Other(value),
        }
    }
}

impl From<GadgetRegions> for String {
    fn from(value: GadgetRegions) -> Self {
        value.as_str().to_owned()
    }
}

impl ToSoql for GadgetRegions {
    fn to_soql(&self) -> Result<SoqlLiteral, InvalidValue> {
        self.as_str().to_soql()
    }
}

/// Account
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, SObject)]
#[serde(rename_all = "PascalCase")]
#[sobject(name = "Account")]
pub struct GadgetOwnerAccount {
    /// The record behind `OwnerId`: `Name`.
    pub owner: Option<GadgetOwnerAccountOwner>,
}

/// Name
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, SObject)]
#[serde(rename_all = "PascalCase")]
#[sobject(name = "Name")]
pub struct GadgetOwnerAccountOwner {
    /// Name
    pub name: String,
}

/// Setting
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, SObject)]
#[serde(rename_all = "PascalCase")]
#[sobject(name = "Setting__mdt")]
pub struct SettingMetadata {
    /// Name
    pub developer_name: String,
    /// Value
    #[serde(rename = "Value__c")]
    pub value: String,
}
