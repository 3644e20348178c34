//! Whose records are whose: they are listed by user and organization, and two apps with one store and a user in common
//! leave each other's records alone.

use super::*;

const PROMISE: &str = "apps with one store leave each other's records alone";

pub(super) async fn records_are_listed_by_user_and_organization(store: &dyn Store) -> Checked {
    const PROMISE: &str = "records are listed by user and by organization";
    let (sample, elsewhere) = (Sample::new()?, Sample::new()?);
    let mut keys = Vec::new();
    for key in [sample.grant, sample.grant, sample.other_grant, elsewhere.grant] {
        keys.push(login_key()?);
        let last = keys.len() - 1;
        must(store.create_login(keys[last], login(key), grant(key, version()?)).await, PROMISE)?;
    }
    let user = GrantFilter::User(sample.grant.user());
    let org = GrantFilter::Org(sample.grant.user().organization_id);
    for (of, logins, grants) in [(user, 2, 1), (org, 3, 2)] {
        let listed = must(store.list_logins(of).await, PROMISE)?;
        let all_ours = listed.iter().all(|(key, _)| keys.contains(key));
        expect(listed.len() == logins && all_ours, PROMISE)?;
        expect(must(store.list_grants(of).await, PROMISE)?.len() == grants, PROMISE)?;
    }
    let all = must(store.list_logins(GrantFilter::All).await, PROMISE)?;
    expect(keys.iter().all(|key| all.iter().any(|(listed, _)| listed == key)), PROMISE)
}

pub(super) async fn apps_leave_each_other_alone(store: &dyn Store) -> Checked {
    let sample = Sample::new()?;
    let user = sample.grant.user();
    let keys = ["contract", "another app"].map(|app| GrantKey::new(AppKey::from_client_id(app), user));
    let logins = [login_key()?, login_key()?];
    let versions = [version()?, version()?];
    let log_in = async |app: usize| {
        let created =
            store.create_login(logins[app], login(keys[app]), grant(keys[app], versions[app])).await;
        expect(must(created, PROMISE)?.is_none(), PROMISE)
    };
    log_in(0).await?;
    log_in(1).await?;
    both_are_listed_under_their_own_keys(store, keys, logins).await?;

    for (holder, key) in (1..).map(LeaseHolder).zip(keys) {
        let taken = store.acquire_lease(LeaseName::Refresh(key), holder, HOUR).await;
        expect(must(taken, PROMISE)?, PROMISE)?;
        must(store.release_lease(LeaseName::Refresh(key), holder).await, PROMISE)?;
    }

    let next = grant(keys[0], versions[0].next());
    let swapped = must(store.compare_and_swap_grant(versions[0], next).await, PROMISE)?;
    expect(swapped == SwapOutcome::Stored, PROMISE)?;
    the_other_is_as_it_was(store, logins[1], versions[1]).await?;
    // The version of the other app, too: it is random, and must not be what finds the record.
    let broken = must(store.break_grant(versions[1], grant(keys[0], version()?)).await, PROMISE)?;
    expect(!broken, PROMISE)?;
    let broken = must(store.break_grant(versions[0].next(), grant(keys[0], version()?)).await, PROMISE)?;
    expect(broken, PROMISE)?;
    the_other_is_as_it_was(store, logins[1], versions[1]).await?;

    expect(must(store.delete_grant(keys[0], None).await, PROMISE)?.is_some(), PROMISE)?;
    the_other_is_as_it_was(store, logins[1], versions[1]).await?;
    let ended = must(store.delete_login(logins[1]).await, PROMISE)?;
    expect(matches!(ended, DeletedLogin::GrantDeleted(grant) if grant.key == keys[1]), PROMISE)
}

async fn both_are_listed_under_their_own_keys(
    store: &dyn Store,
    keys: [GrantKey; 2],
    logins: [LoginKey; 2],
) -> Checked {
    let user = keys[0].user();
    for filter in [GrantFilter::User(user), GrantFilter::Org(user.organization_id)] {
        let listed = must(store.list_logins(filter).await, PROMISE)?;
        let has = |login, key| listed.iter().any(|(listed, record)| *listed == login && record.grant == key);
        expect(listed.len() == 2 && has(logins[0], keys[0]) && has(logins[1], keys[1]), PROMISE)?;
        let listed = must(store.list_grants(filter).await, PROMISE)?;
        let has = |key| listed.iter().any(|record| record.key == key);
        expect(listed.len() == 2 && has(keys[0]) && has(keys[1]), PROMISE)?;
    }
    Ok(())
}

async fn the_other_is_as_it_was(store: &dyn Store, login: LoginKey, version: GrantVersion) -> Checked {
    let found = must(store.load_login(login).await, PROMISE)?;
    expect(found.is_some_and(|(_, grant)| grant.version == version), PROMISE)
}
