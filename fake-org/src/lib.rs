//! A Salesforce emulator for tests and demos.
