//! What the language has, construct by construct, each checked against the rows it must give.

use serde_json::{Value, json};

use super::*;

/// One column of a result.
fn column(data: &Data, soql: &str, name: &str) -> Vec<Value> {
    rows(data, soql).iter().map(|row| row[name].clone()).collect()
}

fn count(data: &Data, soql: &str) -> usize {
    rows(data, soql).len()
}

#[test]
fn parents_go_up_five_levels_and_no_further() {
    let data = data();
    let soql = "SELECT Contact.Account.Parent.Parent.Owner.Name FROM Case LIMIT 1";
    assert!(rows(&data, soql)[0]["Contact"]["Account"].is_object());
    let (code, message) = refused("SELECT Contact.Account.Parent.Parent.Parent.Owner.Name FROM Case");
    assert_eq!(code, "MALFORMED_QUERY");
    assert!(message.contains("maximum number of levels"), "{message}");
}

#[test]
fn children_come_as_results_of_their_own() {
    let data = data();
    let soql = "SELECT Name, (SELECT LastName, Account.Name FROM Contacts ORDER BY LastName LIMIT 1), \
                (SELECT Id FROM ChildAccounts), (SELECT Code__c FROM Projects__r) FROM Account ORDER BY ExternalKey__c LIMIT 1";
    let row = &rows(&data, soql)[0];
    assert_eq!(row["Contacts"]["totalSize"], 1);
    assert_eq!(row["Contacts"]["records"][0]["Account"]["Name"], row["Name"]);
    assert!(row["ChildAccounts"].is_null(), "none at all is null");
    assert_eq!(row["Projects__r"]["done"], true);
    // Children of children, and the parent's name before theirs.
    let soql =
        "SELECT (SELECT Id, (SELECT Id FROM Contact.Cases) FROM Account.Contacts) FROM Account LIMIT 1";
    assert!(rows(&data, soql)[0]["Contacts"]["records"][0].get("Cases").is_some());
    let (code, message) = refused("SELECT Id, (SELECT Id FROM Contact) FROM Account");
    assert_eq!(code, "INVALID_TYPE");
    assert!(
        message.contains("Didn't understand relationship 'Contact' in FROM part of query call"),
        "{message}"
    );
    assert!(refused("SELECT (SELECT COUNT() FROM Contacts) FROM Account").1.contains("only root queries"));
}

#[test]
fn from_names_parents_too() {
    let data = data();
    let soql = "SELECT c.Name, a.Name, o.Username FROM Contact c, c.Account a, a.Owner o WHERE a.Name LIKE 'Kestrel%'";
    let rows = rows(&data, soql);
    assert!(!rows.is_empty());
    assert_eq!(rows[0]["Account"]["Name"], "Kestrel Aerospace");
    assert!(rows[0]["Account"]["Owner"]["Username"].is_string());
    assert_eq!(refused("SELECT Id FROM Contact c, c.Nope n").0, "INVALID_FIELD");
    assert_eq!(refused("SELECT Id FROM Contact, Account").0, "MALFORMED_QUERY");
    // A dotted parent may do without an alias.
    let named = "SELECT COUNT() FROM Contact, Contact.Account WHERE Account.Name = 'Kestrel Aerospace'";
    let other = "SELECT COUNT() FROM Contact c, c.Account a WHERE a.Name = 'Kestrel Aerospace'";
    assert_eq!(count(&data, named), count(&data, other));
}

#[test]
fn fields_stand_for_groups_of_fields() {
    let data = data();
    let all = rows(&data, "SELECT FIELDS(ALL) FROM Account LIMIT 1");
    let standard = rows(&data, "SELECT FIELDS(STANDARD) FROM Account");
    let custom = rows(&data, "SELECT FIELDS(CUSTOM), Id FROM Account LIMIT 200");
    assert!(all[0].get("Name").is_some() && all[0].get("ExternalKey__c").is_some());
    assert!(standard[0].get("Name").is_some() && standard[0].get("ExternalKey__c").is_none());
    assert!(custom[0].get("Name").is_none() && custom[0].get("ExternalKey__c").is_some());
    for soql in ["SELECT FIELDS(ALL) FROM Account", "SELECT FIELDS(CUSTOM) FROM Account LIMIT 201"] {
        assert!(refused(soql).1.contains("must have a LIMIT of at most 200"), "{soql}");
    }
    // Ids bound a query as LIMIT does (SOQL and SOSL Reference, "FIELDS()").
    let id = all[0]["Id"].as_str().unwrap();
    for filter in [format!("Id IN ('{id}')"), format!("Id = '{id}' OR id = '{id}'")] {
        assert_eq!(
            rows(&data, &format!("SELECT FIELDS(ALL) FROM Account WHERE {filter}")).len(),
            1,
            "{filter}"
        );
    }
    for filter in ["Id NOT IN ('001000000000001AAA')", "Id != null", "Id = null OR Name = 'x'"] {
        let soql = format!("SELECT FIELDS(ALL) FROM Account WHERE {filter}");
        assert!(refused(&soql).1.contains("must have a LIMIT of at most 200"), "{soql}");
    }
    assert!(refused("SELECT Id, FIELDS(STANDARD) FROM Account").1.contains("duplicate field selected: Id"));
    assert_eq!(refused("SELECT FIELDS(SOME) FROM Account LIMIT 1").0, "MALFORMED_QUERY");
}

#[test]
fn comparisons_compare() {
    let data = data();
    let all = count(&data, "SELECT Id FROM Account");
    let with = |filter: &str| names(&data, filter).len();
    assert_eq!(with("NumberOfEmployees < 1000") + with("NumberOfEmployees >= 1000"), all);
    assert_eq!(with("NumberOfEmployees <= 1000") + with("NumberOfEmployees > 1000"), all);
    assert_eq!(with("Industry <> 'Media'"), with("Industry != 'Media'"));
    assert_eq!(with("Active__c = true") + with("Active__c = false"), all);
    assert_eq!(with("Active__c = null"), with("Active__c = false"), "an unset checkbox is false");
    assert_eq!(with("Name = 'KESTREL aerospace'"), 1);
    assert_eq!(with("Industry IN ('Media', null)"), with("Industry = 'Media' OR Industry = null"));
    assert_eq!(with("Industry NOT IN ('Media', null)"), all - with("Industry IN ('Media', null)"));
    assert_eq!(with("AnnualRevenue > 1e6 AND AnnualRevenue != null"), with("AnnualRevenue > 1000000.0"));
    assert_eq!(
        with("(NOT Name LIKE 'K%') AND (NOT Industry = null)") + with("Name LIKE 'k%' OR Industry = ''"),
        all
    );
}

#[test]
fn ids_are_compared_in_both_lengths_and_by_case() {
    let data = data();
    let id = column(&data, "SELECT Id FROM Account LIMIT 1", "Id")[0].as_str().unwrap().to_owned();
    assert_eq!(names(&data, &format!("Id = '{id}'")).len(), 1);
    assert_eq!(names(&data, &format!("Id IN ('{}')", &id[..15])).len(), 1);
    assert_eq!(
        refused("SELECT Id FROM Account WHERE Id > '001000000000001AAA'").1.lines().last(),
        Some("invalid operator on id field")
    );
}

#[test]
fn semi_joins_select_by_other_objects() {
    let data = data();
    let with = names(&data, "Id IN (SELECT AccountId FROM Opportunity WHERE IsWon = true)");
    let without = names(&data, "Id NOT IN (SELECT AccountId FROM Opportunity WHERE IsWon = true)");
    assert!(!with.is_empty() && !without.is_empty());
    assert_eq!(with.len() + without.len(), 40);
    let both =
        "Id IN (SELECT AccountId FROM Contact) AND Id NOT IN (SELECT AccountId FROM Case) AND Name != null";
    assert!(names(&data, both).len() < 40);
    for (filter, part) in [
        ("Id IN (SELECT ParentId FROM Account)", "should not be on the same object type"),
        ("Id IN (SELECT OwnerId FROM Contact)", "should point to the same object type"),
        ("Id IN (SELECT Name FROM Contact)", "can only query id fields"),
        ("Id IN (SELECT Id, AccountId FROM Contact)", "must select a single ID or reference field"),
        ("Id IN (SELECT AccountId FROM Contact LIMIT 1)", "may not have ORDER BY, LIMIT"),
        ("Name IN (SELECT AccountId FROM Contact)", "left operand"),
        ("Id IN (SELECT AccountId FROM Contact) OR Name = 'x'", "not allowed with the 'OR' operator"),
        (
            "Name = 'x' AND (Id IN (SELECT AccountId FROM Case) OR Name = 'y')",
            "only allowed at the top level",
        ),
        (
            "Id IN (SELECT AccountId FROM Contact WHERE OwnerId IN (SELECT OwnerId FROM Lead))",
            "Nesting of semi join sub-selects is not supported",
        ),
        (
            "Id IN (SELECT AccountId FROM Contact) AND Id IN (SELECT AccountId FROM Case) AND OwnerId IN (SELECT Id FROM User)",
            "Maximum 2 semi join sub-selects",
        ),
    ] {
        let (code, message) = refused(&format!("SELECT Id FROM Account WHERE {filter}"));
        assert_eq!(code, "MALFORMED_QUERY", "{filter}");
        assert!(message.contains(part), "{filter}: {message}");
    }
}

#[test]
fn multi_select_picklists_include_and_exclude() {
    let data = data();
    let tags = column(&data, "SELECT Tags__c FROM Project__c", "Tags__c");
    let has = |row: &Value, tag: &str| row.as_str().is_some_and(|text| text.split(';').any(|one| one == tag));
    let expected = |test: &dyn Fn(&Value) -> bool| tags.iter().filter(|row| test(row)).count();
    let with = |filter: &str| count(&data, &format!("SELECT Id FROM Project__c WHERE Tags__c {filter}"));
    assert_eq!(with("INCLUDES ('Urgent')"), expected(&|row| has(row, "Urgent")));
    assert_eq!(
        with("INCLUDES ('Urgent', 'Billable')"),
        expected(&|row| has(row, "Urgent") || has(row, "Billable"))
    );
    let both = expected(&|row| has(row, "Urgent") && has(row, "Billable"));
    assert_eq!(with("INCLUDES ('urgent;Billable')"), both);
    assert_eq!(with("EXCLUDES ('Urgent')"), expected(&|row| !has(row, "Urgent")));
    assert!(with("INCLUDES ('Urgent')") > 0 && both < tags.len());
    for filter in ["Name INCLUDES ('x')", "Tags__c > 'x'", "Tags__c LIKE 'x'"] {
        assert_eq!(
            refused(&format!("SELECT Id FROM Project__c WHERE {filter}")).0,
            "INVALID_QUERY_FILTER_OPERATOR"
        );
    }
}

#[test]
fn groups_are_counted_and_filtered() {
    let data = data();
    let soql = "SELECT Industry, COUNT(Id) n, SUM(NumberOfEmployees), MAX(Name) FROM Account WHERE Industry != null \
                GROUP BY Industry HAVING COUNT(Id) > 1 AND Industry != 'Media' ORDER BY COUNT(Id) DESC, Industry";
    let groups = rows(&data, soql);
    assert!(groups.len() > 2);
    assert_eq!(groups[0]["attributes"], json!({ "type": "AggregateResult" }));
    assert!(groups[0]["n"].as_i64() >= groups[1]["n"].as_i64());
    assert!(groups[0]["expr0"].is_number() && groups[0]["expr1"].is_string());
    assert!(groups.iter().all(|group| group["Industry"] != "Media"));
    let of = |soql: &str| rows(&data, soql)[0]["expr0"].clone();
    assert_eq!(of("SELECT COUNT(Id) FROM Account"), 40);
    assert_eq!(of("SELECT COUNT_DISTINCT(Industry) FROM Account"), 8);
    assert_eq!(of("SELECT COUNT(Industry) FROM Account"), names(&data, "Industry != null").len());
    assert!(of("SELECT AVG(AnnualRevenue) FROM Account").is_f64());
    let by_parent =
        "SELECT Account.Name, COUNT(Id) FROM Contact GROUP BY Account.Name ORDER BY Account.Name LIMIT 1";
    assert!(rows(&data, by_parent)[0]["Name"].is_string());
    let years = rows(
        &data,
        "SELECT CALENDAR_YEAR(CreatedDate) y, COUNT(Id) FROM Account GROUP BY CALENDAR_YEAR(CreatedDate)",
    );
    assert_eq!(years.iter().map(|row| row["expr0"].as_u64().unwrap()).sum::<u64>(), 40);
    for (soql, part) in [
        ("SELECT Name, COUNT(Id) FROM Account GROUP BY Type", "Field must be grouped or aggregated: Name"),
        ("SELECT Type FROM Account GROUP BY Type ORDER BY Name", "Field must be grouped or aggregated: Name"),
        (
            "SELECT Type FROM Account GROUP BY Type HAVING Name = 'x'",
            "Field must be grouped or aggregated: Name",
        ),
        ("SELECT CALENDAR_YEAR(CreatedDate) FROM Account", "Field must be grouped or aggregated"),
        (
            "SELECT COUNT(Id) FROM Account GROUP BY AnnualRevenue",
            "field 'AnnualRevenue' can not be grouped in a query call",
        ),
        (
            "SELECT COUNT(Id) FROM Account GROUP BY CreatedDate",
            "field 'CreatedDate' can not be grouped in a query call",
        ),
        ("SELECT MAX(Name) FROM Account LIMIT 1", "overall aggregate functions cannot also use LIMIT"),
        ("SELECT SUM(Name) FROM Account", "does not support aggregate operator SUM"),
        ("SELECT COUNT(Active__c) FROM Account", "does not support aggregate operator COUNT"),
        ("SELECT Id FROM Account ORDER BY COUNT(Id)", "unexpected token"),
        ("SELECT Id FROM Account WHERE COUNT(Id) > 1", "unexpected token"),
        ("SELECT COUNT() FROM Account ORDER BY Name", "not allowed with COUNT()"),
        ("SELECT COUNT(), Name FROM Account", "Field must be grouped or aggregated: Name"),
    ] {
        let (code, message) = refused(soql);
        assert_eq!(code, "MALFORMED_QUERY", "{soql}");
        assert!(message.contains(part), "{soql}: {message}");
    }
}

#[test]
fn rollup_and_cube_add_totals() {
    let data = data();
    let rolled = rows(
        &data,
        "SELECT Type, Active__c, GROUPING(Type) t, GROUPING(Active__c) a, COUNT(Id) n FROM Account \
         GROUP BY ROLLUP(Type, Active__c) ORDER BY Type",
    );
    let sum = |rows: &[Value], t: u64, a: u64| -> u64 {
        rows.iter().filter(|row| row["t"] == t && row["a"] == a).map(|row| row["n"].as_u64().unwrap()).sum()
    };
    assert_eq!((sum(&rolled, 0, 0), sum(&rolled, 0, 1), sum(&rolled, 1, 1)), (40, 40, 40));
    assert_eq!(sum(&rolled, 1, 0), 0);
    let cubed = rows(
        &data,
        "SELECT Type, Active__c, GROUPING(Type) t, GROUPING(Active__c) a, COUNT(Id) n FROM Account GROUP BY CUBE(Type, Active__c)",
    );
    assert_eq!((sum(&cubed, 1, 0), sum(&cubed, 1, 1)), (40, 40));
    let total = rows(&data, "SELECT Type FROM Account GROUP BY ROLLUP(Type)");
    assert_eq!(total.len(), 4, "three types and the total");
}

#[test]
fn functions_change_what_is_shown() {
    let data = data();
    let soql = "SELECT toLabel(Industry), FORMAT(AnnualRevenue) shown, convertCurrency(AnnualRevenue), FORMAT(CreatedDate) made \
                FROM Account WHERE AnnualRevenue != null AND toLabel(Industry) = 'Media' LIMIT 1";
    let row = &rows(&data, soql)[0];
    assert_eq!(row["Industry"], "Media");
    assert!(row["AnnualRevenue"].is_f64());
    let shown = row["shown"].as_str().unwrap();
    assert!(shown.starts_with('$') && shown.ends_with(".00") && shown.contains(','), "{shown}");
    assert!(row["made"].as_str().unwrap().ends_with('M'), "{row}");
    let least = rows(
        &data,
        "SELECT FORMAT(MIN(CloseDate)) least, FORMAT(convertCurrency(MAX(Amount))) most FROM Opportunity",
    );
    assert!(
        least[0]["least"].as_str().unwrap().contains('/')
            && least[0]["most"].as_str().unwrap().starts_with('$')
    );
    let soql = "SELECT Id FROM Account WHERE DAY_ONLY(convertTimezone(CreatedDate)) > 2000-01-01 AND HOUR_IN_DAY(CreatedDate) < 24";
    assert_eq!(count(&data, soql), 40);
    for soql in [
        "SELECT toLabel(AnnualRevenue) FROM Account",
        "SELECT Id FROM Opportunity WHERE HOUR_IN_DAY(CloseDate) = 1",
        "SELECT nope(Name) FROM Account",
        "SELECT Name n FROM Account",
    ] {
        assert_eq!(refused(soql).0, "MALFORMED_QUERY", "{soql}");
    }
}

#[test]
fn every_date_literal_is_a_range_around_today() {
    let data = data();
    let of = |filter: &str| count(&data, &format!("SELECT Id FROM Opportunity WHERE CloseDate {filter}"));
    let literals =
        ["YESTERDAY", "TODAY", "TOMORROW", "LAST_90_DAYS", "NEXT_90_DAYS"].map(str::to_owned).into_iter();
    let units = ["WEEK", "MONTH", "QUARTER", "YEAR", "FISCAL_QUARTER", "FISCAL_YEAR"];
    let counted = ["DAYS", "WEEKS", "MONTHS", "QUARTERS", "YEARS", "FISCAL_QUARTERS", "FISCAL_YEARS"];
    let singles =
        ["LAST", "THIS", "NEXT"].into_iter().flat_map(|lead| units.map(|unit| format!("{lead}_{unit}")));
    let many = counted
        .into_iter()
        .flat_map(|unit| [format!("LAST_N_{unit}:2"), format!("NEXT_N_{unit}:2"), format!("N_{unit}_AGO:2")]);
    for literal in literals.chain(singles).chain(many) {
        // Before, in and after it are all there is.
        let parts = of(&format!("< {literal}")) + of(&format!("= {literal}")) + of(&format!("> {literal}"));
        assert_eq!(parts, 40, "{literal}");
        assert_eq!(
            of(&format!("<= {literal}")),
            of(&format!("< {literal}")) + of(&format!("= {literal}")),
            "{literal}"
        );
        assert_eq!(of(&format!("!= {literal}")), 40 - of(&format!("= {literal}")), "{literal}");
    }
    for wrong in
        ["LAST_FISCAL_WEEK", "THIS_N_DAYS:2", "LAST_N_DAYS", "LAST_N_DAYS:-1", "N_DAYS_AGO", "SOMEDAY"]
    {
        assert_eq!(
            refused(&format!("SELECT Id FROM Opportunity WHERE CloseDate = {wrong}")).0,
            "MALFORMED_QUERY",
            "{wrong}"
        );
    }
}

#[test]
fn what_rows_are_wanted_for_changes_nothing() {
    let data = data();
    for tail in [
        "FOR VIEW",
        "FOR REFERENCE",
        "FOR VIEW, REFERENCE",
        "FOR VIEW FOR REFERENCE",
        "FOR UPDATE",
        "UPDATE TRACKING",
        "UPDATE VIEWSTAT",
        "FOR VIEW UPDATE TRACKING, VIEWSTAT",
    ] {
        assert_eq!(count(&data, &format!("SELECT Id FROM Account LIMIT 3 {tail}")), 3, "{tail}");
    }
    for mode in ["SECURITY_ENFORCED", "USER_MODE", "SYSTEM_MODE"] {
        let soql = format!("SELECT Id FROM Account WHERE Name LIKE 'K%' WITH {mode} ORDER BY Name LIMIT 3");
        assert_eq!(count(&data, &soql), 1);
    }
    assert_eq!(refused("SELECT Id FROM Account FOR SALE").0, "MALFORMED_QUERY");
    assert_eq!(refused("SELECT Id FROM Account WITH NOTHING").0, "MALFORMED_QUERY");
}

#[test]
fn scopes_choose_whose_records() {
    let data = data();
    let ada = column(&data, "SELECT Id FROM User WHERE Username = 'ada@example.com'", "Id")[0]
        .as_str()
        .unwrap()
        .to_owned();
    let schema = Schema::new(&[]);
    let mine = |soql: &str| match compile(soql, Requester { user_id: &ada, ..REQUESTER }, &schema).unwrap() {
        Plan::Count(plan) => usize::try_from(data.with(|inner| plan.count(inner).unwrap())).unwrap(),
        _ => panic!("{soql}"),
    };
    let expected = names(&data, &format!("OwnerId = '{ada}' AND Name LIKE '%a%'")).len();
    assert_eq!(mine("SELECT COUNT() FROM Account USING SCOPE Mine WHERE Name LIKE '%a%'"), expected);
    assert_eq!(mine("SELECT COUNT() FROM Account a USING SCOPE everything WHERE a.Name LIKE '%'"), 40);
    assert!(expected > 0);
    assert!(refused("SELECT Id FROM Profile USING SCOPE mine").1.contains("not supported"));
    assert!(refused("SELECT Id FROM Account USING SCOPE team").1.contains("not supported"));
    assert!(refused("SELECT Id FROM Account USING SCOPE bogus").1.contains("unexpected token: 'bogus'"));
}

#[test]
fn what_salesforce_refuses_is_refused() {
    for (soql, code, part) in [
        (
            "SELECT Id FROM Account WHERE Description LIKE 'a%'",
            "INVALID_FIELD",
            "field 'Description' can not be filtered in a query call",
        ),
        (
            "SELECT Id FROM Account ORDER BY Description",
            "MALFORMED_QUERY",
            "field 'Description' can not be sorted in a query call",
        ),
        (
            "SELECT Id FROM Project__c ORDER BY Tags__c",
            "MALFORMED_QUERY",
            "field 'Tags__c' can not be sorted in a query call",
        ),
        (
            "SELECT Id FROM Account WHERE CreatedDate > 2026-01-31",
            "INVALID_FIELD",
            "must be of type dateTime and should not be enclosed in quotes",
        ),
        (
            "SELECT Id FROM Opportunity WHERE CloseDate = 2026-01-31T00:00:00Z",
            "INVALID_FIELD",
            "must be of type date",
        ),
        (
            "SELECT Id FROM Opportunity WHERE CloseDate = '2026-01-31'",
            "INVALID_FIELD",
            "must be of type date",
        ),
        ("SELECT Id FROM Opportunity WHERE CloseDate = 2026-02-30", "MALFORMED_QUERY", "date"),
        ("SELECT Id FROM Opportunity WHERE CloseDate = 1699-12-31", "MALFORMED_QUERY", "date"),
        ("SELECT Id FROM Account WHERE NumberOfEmployees = 1.5", "INVALID_FIELD", "must be of type int"),
        ("SELECT Id FROM Account WHERE Active__c = 'true'", "INVALID_FIELD", "must be of type boolean"),
        (
            "SELECT Id FROM Account WHERE Active__c > true",
            "INVALID_QUERY_FILTER_OPERATOR",
            "invalid operator on boolean field",
        ),
        (
            "SELECT Id FROM Account WHERE NumberOfEmployees LIKE '1'",
            "INVALID_QUERY_FILTER_OPERATOR",
            "invalid operator on int field",
        ),
        (
            "SELECT Id FROM Account WHERE Name = :name",
            "MALFORMED_QUERY",
            "Bind variables only allowed in Apex code",
        ),
        (
            "SELECT Id FROM Account WHERE DISTANCE(Loc__c, GEOLOCATION(1,2), 'mi') < 20",
            "MALFORMED_QUERY",
            "not emulated",
        ),
        ("SELECT Id FROM Account WITH DATA CATEGORY Geo__c AT usa__c", "MALFORMED_QUERY", "not emulated"),
        ("SELECT Id FROM Account ALL ROWS", "MALFORMED_QUERY", "unexpected token: 'ROWS'"),
        ("SELECT * FROM Account", "MALFORMED_QUERY", "unexpected token: '*'"),
        ("SELECT Id, FROM Account", "MALFORMED_QUERY", "unexpected token"),
        ("SELECT Id FROM Account WHERE NOT NOT Name = 'x'", "MALFORMED_QUERY", "unexpected token: 'NOT'"),
        ("SELECT Id FROM Account WHERE Name = \"x\"", "MALFORMED_QUERY", "unexpected token"),
    ] {
        let (got, message) = refused(soql);
        assert_eq!(got, code, "{soql}: {message}");
        assert!(message.contains(part), "{soql}: {message}");
    }
    let long = format!("SELECT Id FROM Account WHERE Name = '{}'", "x".repeat(4_001));
    assert!(refused(&long).1.contains("4000 characters"));
}
