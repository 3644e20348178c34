//! Objects of a Salesforce org. Written by `actix-salesforce types`: the next run overwrites changes.
//!
//! Objects: Task:Subject,Who.Name,Who.Type,Who.Id,Who.Username,Who.Email,Who.IsActive,What.Name,What.Type,Owner.Name Case:Id,Owner.Name,Owner.Type,Owner.Profile.Name
//! Crate: salesforce_connection
#![allow(dead_code, unreachable_pub, clippy::all, clippy::pedantic)]

use salesforce_connection::{SObject, SalesforceId};

use serde::{Deserialize, Serialize};

/// Task
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, SObject)]
#[serde(rename_all = "PascalCase")]
pub struct Task {
    /// Subject
    pub subject: Option<String>,
    /// The record behind `WhoId`: `Name`.
    pub who: Option<TaskWho>,
    /// The record behind `WhatId`: `Name`.
    pub what: Option<TaskWhat>,
    /// The record behind `OwnerId`: `Name`.
    pub owner: Option<TaskOwner>,
}

/// Name
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, SObject)]
#[serde(rename_all = "PascalCase")]
#[sobject(name = "Name")]
pub struct TaskWho {
    /// Name
    pub name: Option<String>,
    /// Type
    pub r#type: Option<String>,
    /// Name ID
    pub id: SalesforceId,
    /// Username
    pub username: Option<String>,
    /// Email
    pub email: Option<String>,
    /// Active
    pub is_active: bool,
}

/// Name
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, SObject)]
#[serde(rename_all = "PascalCase")]
#[sobject(name = "Name")]
pub struct TaskWhat {
    /// Name
    pub name: Option<String>,
    /// Type
    pub r#type: Option<String>,
}

/// Name
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, SObject)]
#[serde(rename_all = "PascalCase")]
#[sobject(name = "Name")]
pub struct TaskOwner {
    /// Name
    pub name: Option<String>,
}

/// Case
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, SObject)]
#[serde(rename_all = "PascalCase")]
pub struct Case {
    /// Case ID
    pub id: SalesforceId,
    /// The record behind `OwnerId`: `Name`.
    pub owner: Option<CaseOwner>,
}

/// Name
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, SObject)]
#[serde(rename_all = "PascalCase")]
#[sobject(name = "Name")]
pub struct CaseOwner {
    /// Name
    pub name: Option<String>,
    /// Type
    pub r#type: Option<String>,
    /// The record behind `ProfileId`: `Profile`.
    pub profile: Option<CaseOwnerProfile>,
}

/// Profile
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, SObject)]
#[serde(rename_all = "PascalCase")]
#[sobject(name = "Profile")]
pub struct CaseOwnerProfile {
    /// Name
    pub name: String,
}
