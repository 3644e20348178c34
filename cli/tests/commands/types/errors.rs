//! What `types` refuses, and what it says.

use super::types;
use crate::program::run;

#[test]
fn unknown_names_are_all_named_with_the_nearest_known_one() {
    let wrong =
        types(&["Account:Nmae,Industri,Account.Name,ParentId.Name,Ownr.Name", "Gadget__c:Ratin,Parent__r"]);
    assert_eq!((wrong.status, wrong.stdout.as_str()), (2, ""), "{wrong:?}");
    for (message, help) in [
        ("Account has no field `Nmae`, or this user may not read it", "did you mean `Name`?"),
        ("Account has no field `Industri`", "did you mean `Industry`?"),
        ("Account has no relationship `Account`", "no relationship has a name like it"),
        ("`ParentId` is a field of Account, not a relationship", "write `Parent.Name`"),
        ("Account has no relationship `Ownr`", "did you mean `Owner`?"),
        ("Gadget__c has no field `Ratin`", "did you mean `Rating__c`?"),
        (
            "`Parent__r` is a relationship of Gadget__c, not a field",
            "such as `Parent__r.Name`, or the id: `Parent__c`",
        ),
    ] {
        let line = wrong.stderr.lines().position(|line| line.contains(message)).expect(message);
        let next = wrong.stderr.lines().nth(line + 1).unwrap();
        assert!(next.contains(help), "{message}: {next}");
    }
    let object = types(&["Acount:Id"]);
    assert!(
        object.stderr.contains("no describe of `Acount`")
            && object.stderr.contains("did you mean `Account`?"),
        "{object:?}"
    );
}

#[test]
fn six_relationships_are_one_too_many() {
    let parents = "Parent.".repeat(6);
    let wrong = types(&[&format!("Account:{parents}Name")]);
    // A name of a field has six parts at most.
    assert_eq!(wrong.status, 2, "{wrong:?}");
    let five = types(&[&format!("Account:{}Name", "Parent.".repeat(5))]);
    assert_eq!(five.status, 0, "{five:?}");
}

#[test]
fn a_file_that_is_no_describe_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("account.json");
    for (text, expected) in [
        (
            "{\n \"name\": \"Account\",\n \"fields\": [\n  {\"name\": \"Id\",\n   \"type\": 7}]}",
            "account.json:5: not a describe of an object: invalid type",
        ),
        (
            "{\n \"name\": \"Account\"\n}\n",
            "account.json:3: not a describe of an object: missing field `fields`",
        ),
        ("{\n \"name\": \n", "account.json:3: not JSON"),
        ("<html>", "account.json:1: not JSON"),
        ("{\"sobjects\": []}", "account.json:1: this is the list of all objects"),
        (
            "{\"status\": 1, \"message\": \"No such org\"}",
            "account.json:1: the Salesforce CLI wrote an error: No such org",
        ),
        (
            "{\"name\": \"Account\", \"fields\": [\n{\"name\": \"Name FROM User\", \"type\": \"string\"}]}",
            "account.json:2: not a describe of an object: `Name FROM User` is not an API name",
        ),
        ("[]", "account.json:1: the list has no describe"),
    ] {
        std::fs::write(&path, text).unwrap();
        let refused = run(["types", "--describe", path.to_str().unwrap(), "Account"]);
        assert_eq!(refused.status, 2, "{refused:?}");
        assert!(refused.stderr.contains(expected), "{expected}: {}", refused.stderr);
        assert!(refused.stderr.contains("help: save one with `sf sobject describe"), "{}", refused.stderr);
    }
    let missing = run(["types", "--describe", "no-such.json", "Account"]);
    assert!(missing.status == 2 && missing.stderr.contains("cannot read no-such.json"), "{missing:?}");
}

#[test]
fn wrong_use_says_what_to_write() {
    for (arguments, expected) in [
        (&["types", "Account.Name"][..], "`Account:Name`"),
        (&["types", "--check", "Account"], "--out"),
        (&["types", "--out", "no-such-folder/objects.rs"], "no object is named"),
        (&["types", "Account"], "SF_ACCESS_TOKEN"),
        (&["typs"], "types"),
    ] {
        let wrong = run(arguments.iter().copied());
        assert!(wrong.status == 2 && wrong.stderr.contains(expected), "{expected}: {wrong:?}");
    }
    let folder = types(&["--out", "no-such-folder/objects.rs", "Account:Id"]);
    assert!(folder.stderr.contains("create the folder first"), "{folder:?}");
}

#[test]
fn an_object_without_a_field_to_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("account.json");
    std::fs::write(&path, r#"{"name": "Account", "fields": []}"#).unwrap();
    let refused = run(["types", "--describe", path.to_str().unwrap(), "Account"]);
    assert!(
        refused.status == 2 && refused.stderr.contains("Account has no field that this user may read"),
        "{refused:?}"
    );
}

/// The file is written, and compiles with this crate: it has the type of a field that no list names.
#[test]
fn a_crate_that_a_file_needs_besides_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("thing.json");
    let field = |kind| {
        format!(
            r#"{{"name": "Thing__c", "label": "Thing", "fields": [{{"name": "Raw__c", "label": "Raw", "type": "{kind}"}}]}}"#
        )
    };
    for (kind, is_needed) in [("hologram", true), ("string", false)] {
        std::fs::write(&path, field(kind)).unwrap();
        let written = run(["types", "--describe", path.to_str().unwrap(), "Thing__c"]);
        assert_eq!(written.status, 0, "{written:?}");
        assert_eq!(written.stdout.contains("serde_json::Value"), is_needed, "{written:?}");
        assert_eq!(written.stderr.contains("Needs the crate serde_json"), is_needed, "{written:?}");
    }
}
