//! Objects of a Salesforce org. Written by `actix-salesforce types`: the next run overwrites changes.
//!
//! Objects: Gadget__c:*,Owner_Account__r.Name,Owner_Account__r.Owner.Name,Parent__r.Parent__r.Code__c,Parent__r.Rating__c Account:Id,name,Industry,BillingAddress,Owner.Name,Owner.Type Task:Subject,WhatId,What.Name acme__Option__c Setting__mdt Gadget_Sold__e
//! Crate: actix_salesforce
#![allow(dead_code, unreachable_pub, clippy::all, clippy::pedantic)]

use actix_salesforce::{SObject, SalesforceId};

use actix_salesforce::records::{Address, Location};

use actix_salesforce::soql::{
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
    /// Long
    #[sobject(value)]
    #[serde(rename = "A_Name_Of_Forty_Characters_That_Is_Long__c")]
    #[serde(with = "actix_salesforce::serde_helpers::multi_picklist")]
    pub a_name_of_forty_characters_that_is_long: Vec<GadgetANameOfFortyCharactersThatIsLong>,
    /// Address
    #[serde(rename = "Address__c")]
    pub address: Option<Address>,
    /// Big
    #[serde(rename = "Big__c")]
    pub big: Option<i64>,
    /// Code
    ///
    /// The code on the \[label\].
    ///
    /// 1\. Not a \<b\>list\</b\>, see <https://example.com/codes>.
    ///
    /// External id.
    #[serde(rename = "Code__c")]
    pub code: Option<String>,
    /// Count
    #[serde(rename = "Count__c")]
    pub count: Option<i32>,
    /// Described
    ///
    /// Refers to `EntityDefinition`.
    #[serde(rename = "Described__c")]
    pub described_id: Option<String>,
    /// Empty
    #[serde(rename = "Empty__c")]
    pub empty: Option<String>,
    /// Free Regions
    #[sobject(value)]
    #[serde(rename = "Free_Regions__c")]
    #[serde(with = "actix_salesforce::serde_helpers::multi_picklist")]
    pub free_regions: Vec<String>,
    /// Gen
    #[serde(rename = "Gen__c")]
    pub r#gen: bool,
    /// Made
    #[serde(rename = "Made__c")]
    pub made: Option<SoqlDate>,
    /// Name
    pub name: String,
    /// Opens
    #[serde(rename = "Opens__c")]
    pub opens: Option<SoqlTime>,
    /// Owner Account
    ///
    /// Refers to `Account`.
    #[serde(rename = "Owner_Account__c")]
    pub owner_account_id: Option<SalesforceId>,
    /// Parent
    ///
    /// Refers to `Gadget__c`.
    #[serde(rename = "Parent__c")]
    pub parent_id: Option<SalesforceId>,
    /// Picture
    ///
    /// The path to the bytes: read them with `SObjectHandle::blob`.
    #[serde(rename = "Picture__c")]
    pub picture: Option<String>,
    /// Place (Latitude)
    #[serde(rename = "Place__Latitude__s")]
    pub place_latitude: Option<f64>,
    /// Place (Longitude)
    #[serde(rename = "Place__Longitude__s")]
    pub place_longitude: Option<f64>,
    /// Place
    #[serde(rename = "Place__c")]
    pub place: Option<Location>,
    /// Price
    #[serde(rename = "Price__c")]
    pub price: Option<SoqlDecimal>,
    /// Rating
    #[sobject(value)]
    #[serde(rename = "Rating__c")]
    pub rating: GadgetRating,
    /// Raw
    #[serde(rename = "Raw__c")]
    pub raw: Option<serde_json::Value>,
    /// Regions
    #[sobject(value)]
    #[serde(rename = "Regions__c")]
    #[serde(with = "actix_salesforce::serde_helpers::multi_picklist")]
    pub regions: Vec<GadgetRegions>,
    /// Secret
    #[serde(rename = "Secret__c")]
    pub secret: Option<String>,
    /// Share
    #[serde(rename = "Share__c")]
    pub share: Option<f64>,
    /// Site
    #[serde(rename = "Site__c")]
    pub site: Option<String>,
    /// Sold At
    #[serde(rename = "Sold_At__c")]
    pub sold_at: SoqlDateTime,
    /// Suggested
    ///
    /// A text, of which the page suggests some.
    #[serde(rename = "Suggested__c")]
    pub suggested: Option<String>,
    /// Sum
    ///
    /// All orders of the last year.
    ///
    /// Calculated by Salesforce.
    #[serde(rename = "Sum__c")]
    pub sum: Option<SoqlDecimal>,
    /// Total
    #[serde(rename = "Total__c")]
    pub total: Option<f64>,
    /// Gadget Type
    #[sobject(value)]
    pub r#type: Option<GadgetType>,
    /// Weight
    #[serde(rename = "Weight__c")]
    pub weight: Option<f64>,
    /// acme Total
    #[serde(rename = "acme__Total__c")]
    pub acme_total: Option<f64>,
    /// Self
    #[serde(rename = "self__c")]
    pub self_: Option<String>,
    /// The record behind `Owner_Account__c`: `Account`.
    #[serde(rename = "Owner_Account__r")]
    pub owner_account: Option<GadgetOwnerAccount>,
    /// The record behind `Parent__c`: `Gadget__c`.
    #[serde(rename = "Parent__r")]
    pub parent: Option<GadgetParent>,
}

/// Long
///
/// The values of `Gadget__c.A_Name_Of_Forty_Characters_That_Is_Long__c`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(from = "String", into = "String")]
pub enum GadgetANameOfFortyCharactersThatIsLong {
    /// A value that is longer than most lines of a program are, to see where it wraps around
    AValueThatIsLongerThanMostLinesOfAProgramAreToSeeWhereItWrapsAround,
    /// nnnnnnnnnnnnnnnnnnnnnnnnnnn
    Nnnnnnnnnnnnnnnnnnnnnnnnnnn,
    /// mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm
    Mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm,
    /// oooooooooooooooooooooooooooooooooooo
    Oooooooooooooooooooooooooooooooooooo,
    /// pppppppppppppppppppppppppppppppppppppp
    Pppppppppppppppppppppppppppppppppppppp,
    /// qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq
    Qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq,
    /// very very very very very very very very very very very very very very very very very very
    /// very very very very very very very very very very very very very very very very very very
    /// very very very very very very very very very
    VeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVery,
    /// A value that the org did not have when this file was written.
    Other(String),
}

impl GadgetANameOfFortyCharactersThatIsLong {
    /// Returns the value as Salesforce stores it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::AValueThatIsLongerThanMostLinesOfAProgramAreToSeeWhereItWrapsAround => {
                "A value that is longer than most lines of a program are, to see where it wraps around"
            }
            Self::Nnnnnnnnnnnnnnnnnnnnnnnnnnn => "nnnnnnnnnnnnnnnnnnnnnnnnnnn",
            Self::Mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm => "mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm",
            Self::Oooooooooooooooooooooooooooooooooooo => "oooooooooooooooooooooooooooooooooooo",
            Self::Pppppppppppppppppppppppppppppppppppppp => {
                "pppppppppppppppppppppppppppppppppppppp"
            }
            Self::Qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq => {
                "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq"
            }
            Self::VeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVery => {
                "very very very very very very very very very very very very very very very very very very very very very very very very very very very very very very very very very very very very very very very very very very very very very"
            }
            Self::Other(value) => value,
        }
    }
}

impl From<String> for GadgetANameOfFortyCharactersThatIsLong {
    fn from(value: String) -> Self {
        match value.as_str() {
            "A value that is longer than most lines of a program are, to see where it wraps around" => {
                Self::AValueThatIsLongerThanMostLinesOfAProgramAreToSeeWhereItWrapsAround
            }
            "nnnnnnnnnnnnnnnnnnnnnnnnnnn" => Self::Nnnnnnnnnnnnnnnnnnnnnnnnnnn,
            "mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm" => Self::Mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm,
            "oooooooooooooooooooooooooooooooooooo" => Self::Oooooooooooooooooooooooooooooooooooo,
            "pppppppppppppppppppppppppppppppppppppp" => {
                Self::Pppppppppppppppppppppppppppppppppppppp
            }
            "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq" => {
                Self::Qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq
            }
            "very very very very very very very very very very very very very very very very very very very very very very very very very very very very very very very very very very very very very very very very very very very very very" => {
                Self::VeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVeryVery
            }
            _ => Self::Other(value),
        }
    }
}

impl From<GadgetANameOfFortyCharactersThatIsLong> for String {
    fn from(value: GadgetANameOfFortyCharactersThatIsLong) -> Self {
        value.as_str().to_owned()
    }
}

impl ToSoql for GadgetANameOfFortyCharactersThatIsLong {
    fn to_soql(&self) -> Result<SoqlLiteral, InvalidValue> {
        self.as_str().to_soql()
    }
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

/// Gadget Type
///
/// The values of `Gadget__c.Type`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(from = "String", into = "String")]
pub enum GadgetType {
    /// Small
    Small,
    /// Large
    Large,
    /// Other
    OtherValue,
    /// A value that the org did not have when this file was written.
    Other(String),
}

impl GadgetType {
    /// Returns the value as Salesforce stores it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Small => "Small",
            Self::Large => "Large",
            Self::OtherValue => "Other",
            Self::Other(value) => value,
        }
    }
}

impl From<String> for GadgetType {
    fn from(value: String) -> Self {
        match value.as_str() {
            "Small" => Self::Small,
            "Large" => Self::Large,
            "Other" => Self::OtherValue,
            _ => Self::Other(value),
        }
    }
}

impl From<GadgetType> for String {
    fn from(value: GadgetType) -> Self {
        value.as_str().to_owned()
    }
}

impl ToSoql for GadgetType {
    fn to_soql(&self) -> Result<SoqlLiteral, InvalidValue> {
        self.as_str().to_soql()
    }
}

/// Account
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, SObject)]
#[serde(rename_all = "PascalCase")]
#[sobject(name = "Account")]
pub struct GadgetOwnerAccount {
    /// Name
    pub name: String,
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

/// Gadget
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, SObject)]
#[sobject(name = "Gadget__c")]
pub struct GadgetParent {
    /// The record behind `Parent__c`: `Gadget__c`.
    #[serde(rename = "Parent__r")]
    pub parent: Option<GadgetParentParent>,
    /// Rating
    #[sobject(value)]
    #[serde(rename = "Rating__c")]
    pub rating: GadgetRating,
}

/// Gadget
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, SObject)]
#[sobject(name = "Gadget__c")]
pub struct GadgetParentParent {
    /// Code
    ///
    /// The code on the \[label\].
    ///
    /// 1\. Not a \<b\>list\</b\>, see <https://example.com/codes>.
    ///
    /// External id.
    #[serde(rename = "Code__c")]
    pub code: Option<String>,
}

/// Account
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, SObject)]
#[serde(rename_all = "PascalCase")]
pub struct Account {
    /// Record ID
    pub id: SalesforceId,
    /// Name
    pub name: String,
    /// Industry
    #[sobject(value)]
    pub industry: Option<AccountIndustry>,
    /// Billing Address
    pub billing_address: Option<Address>,
    /// The record behind `OwnerId`: `Name`.
    pub owner: Option<AccountOwner>,
}

/// Industry
///
/// The values of `Account.Industry`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(from = "String", into = "String")]
pub enum AccountIndustry {
    /// Energy
    Energy,
    /// Media
    Media,
    /// A value that the org did not have when this file was written.
    Other(String),
}

impl AccountIndustry {
    /// Returns the value as Salesforce stores it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Energy => "Energy",
            Self::Media => "Media",
            Self::Other(value) => value,
        }
    }
}

impl From<String> for AccountIndustry {
    fn from(value: String) -> Self {
        match value.as_str() {
            "Energy" => Self::Energy,
            "Media" => Self::Media,
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

/// Name
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, SObject)]
#[serde(rename_all = "PascalCase")]
#[sobject(name = "Name")]
pub struct AccountOwner {
    /// Name
    pub name: String,
    /// Type
    #[sobject(value)]
    pub r#type: Option<NameType>,
}

/// Type
///
/// The values of `Name.Type`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(from = "String", into = "String")]
pub enum NameType {
    /// Account
    Account,
    /// User
    User,
    /// A value that the org did not have when this file was written.
    Other(String),
}

impl NameType {
    /// Returns the value as Salesforce stores it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Account => "Account",
            Self::User => "User",
            Self::Other(value) => value,
        }
    }
}

impl From<String> for NameType {
    fn from(value: String) -> Self {
        match value.as_str() {
            "Account" => Self::Account,
            "User" => Self::User,
            _ => Self::Other(value),
        }
    }
}

impl From<NameType> for String {
    fn from(value: NameType) -> Self {
        value.as_str().to_owned()
    }
}

impl ToSoql for NameType {
    fn to_soql(&self) -> Result<SoqlLiteral, InvalidValue> {
        self.as_str().to_soql()
    }
}

/// Task
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, SObject)]
#[serde(rename_all = "PascalCase")]
pub struct Task {
    /// Subject
    ///
    /// A text, of which the page suggests some.
    pub subject: Option<String>,
    /// Related To ID
    ///
    /// Refers to one of several objects.
    pub what_id: Option<SalesforceId>,
    /// The record behind `WhatId`: `Name`.
    pub what: Option<TaskWhat>,
}

/// Name
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, SObject)]
#[serde(rename_all = "PascalCase")]
#[sobject(name = "Name")]
pub struct TaskWhat {
    /// Name
    pub name: String,
}

/// Option
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, SObject)]
#[serde(rename_all = "PascalCase")]
#[sobject(name = "acme__Option__c")]
pub struct AcmeOption {
    /// Record ID
    pub id: SalesforceId,
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

/// Gadget Sold
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, SObject)]
#[serde(rename_all = "PascalCase")]
#[sobject(name = "Gadget_Sold__e")]
pub struct GadgetSoldEvent {
    /// Gadget
    #[serde(rename = "Gadget__c")]
    pub gadget: String,
    /// Replay ID
    pub replay_id: Option<String>,
}
