//! Sites and libraries themselves, and how the control shows what is in them.

use super::*;

#[tokio::test]
async fn sites_and_libraries_come_and_go() {
    let session = session().await;
    let tenant = session.sim.tenant();
    assert_eq!((tenant.sites().len(), tenant.drives().len()), (5, 6));
    let site = tenant.sites().into_iter().find(|site| !site.is_personal).unwrap();
    let more = tenant.library_add(&site.id, "Pläne 2").unwrap();
    let address = format!("/sites/{}/Pl%C3%A4ne%202", site.name);
    assert!(more.web_url.ends_with(&address), "{}", more.web_url);
    assert_eq!(tenant.library_add(&site.id, "PLÄNE 2"), Err(Refused::NameTaken));
    assert_eq!(tenant.site_add(&site.name.to_uppercase(), "x"), Err(Refused::SiteExists));
    let listed = session.get(&format!("sites/{}/drives", site.id)).await.expect(200);
    assert_eq!(names(listed.values()), ["Documents", "Contracts", "Pläne 2"]);
    tenant.site_remove(&site.id).unwrap();
    assert_eq!((tenant.sites().len(), tenant.drives().len()), (4, 4));
    session.get(&format!("sites/{}", site.id)).await.expect(404);
    session.get(&format!("drives/{}/root/delta", more.id)).await.expect(404);
    assert_eq!(session.get("sites/getAllSites").await.expect(200).values().len(), 4);

    let user = session.user();
    let (old, path) = onedrive(&session);
    tenant.site_remove(&old.site).unwrap();
    session.get(&format!("{user}/drive")).await.expect(404);
    session.get(&path).await.expect(404);
    let new = tenant.onedrive_add(old.owner.as_deref().unwrap()).unwrap();
    assert!(new.id != old.id && new.site != old.site);
    session.get(&format!("{user}/drive")).await.expect(200);
    assert_eq!(tenant.onedrive_add(new.owner.as_deref().unwrap()), Err(Refused::SiteExists));
}

#[tokio::test]
async fn views_show_columns_labels_and_sharing() {
    let session = session().await;
    let tenant = session.sim.tenant();
    let ((drive, _), (own, _)) = (library(&session), onedrive(&session));
    let file = tenant.file_add(&drive.id, &drive.root, "a", text("x")).unwrap();
    let fields: std::collections::BTreeMap<_, _> =
        [("A".to_owned(), json!(1)), ("B".to_owned(), json!("x"))].into();
    tenant.drive_fields_set(&drive.id, &file, fields).unwrap();
    let gone = [("A".to_owned(), Value::Null)].into();
    tenant.drive_fields_set(&drive.id, &file, gone).unwrap();
    tenant.drive_label_set(&drive.id, &file, Some("Keep")).unwrap();
    let link = tenant.drive_link_add(&drive.id, &file, "edit", "anonymous").unwrap();
    let views = tenant.drive_items(&drive.id).unwrap();
    let view = views.last().unwrap();
    assert_eq!(json!(view.fields), json!({"B": "x"}));
    assert_eq!(view.label.as_deref(), Some("Keep"));
    assert_eq!(view.permissions[0]["id"], link.as_str());
    assert_eq!(view.permissions[0]["link"]["scope"], "anonymous");
    assert_eq!(view.permissions[0]["roles"], json!(["write"]));
    tenant.drive_label_set(&drive.id, &file, None).unwrap();
    assert_eq!(tenant.drive_items(&drive.id).unwrap().last().unwrap().label, None);
    let other = tenant.file_add(&own.id, &own.root, "a", text("x")).unwrap();
    let fields = [("A".to_owned(), json!(1))].into();
    assert_eq!(tenant.drive_fields_set(&own.id, &other, fields), Err(Refused::NotALibrary));
}
