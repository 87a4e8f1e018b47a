//! Connectors: secrets go out once or never, settings are the admins', kinds stay.

use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::connector::Kind;
use tonic::Code;

use crate::world::{World, refusal};
use kontor_testbed::{admin, caller};

kontor_testbed::on_both! { World;
    t2_secrets_are_shown_once_or_never,
    t2_settings_are_the_admins,
    x3_connectors_obey_etag_mask_and_repeat,
    x3_without_an_etag_changes_at_once_all_hold,
}

async fn t2_secrets_are_shown_once_or_never(world: World) {
    let made = world.add_connector("made", Kind::Webhook(proto::WebhookSettings::default())).await.unwrap();
    let Some(Kind::Webhook(settings)) = made.kind else { panic!("{made:?}") };
    assert_eq!(settings.secret.len(), 64);
    let asterisk = proto::AsteriskSettings {
        host: "127.0.0.1".to_owned(),
        port: 1,
        username: "kontor".to_owned(),
        secret: "hush".to_owned(),
        ..Default::default()
    };
    let office = world.add_connector("office", Kind::Asterisk(asterisk)).await.unwrap();
    let list = proto::ListConnectorsRequest::default();
    let list = world.connectors.clone().list_connectors(admin().request(list)).await.unwrap().into_inner();
    assert_eq!(list.connectors.len(), 4);
    for text in [format!("{office:?}"), format!("{list:?}"), format!("{:?}", world.connector("made").await)] {
        assert!(!text.contains("hush") && !text.contains(&settings.secret), "{text}");
    }
}

async fn t2_settings_are_the_admins(world: World) {
    let sales = caller("sales", &["sales"], &[]);
    let mut client = world.connectors.clone();
    let get = proto::GetConnectorRequest { name: "connectors/grpc".to_owned() };
    let seen = client.get_connector(sales.request(get)).await.unwrap().into_inner();
    let names_only = proto::Connector { name: "connectors/grpc".to_owned(), ..Default::default() };
    assert_eq!(seen, names_only);
    let create = proto::CreateConnectorRequest { connector_id: "x".to_owned(), ..Default::default() };
    assert_eq!(refusal(client.create_connector(sales.request(create)).await).0, Code::PermissionDenied);
    let delete = proto::DeleteConnectorRequest { name: "connectors/grpc".to_owned(), ..Default::default() };
    assert_eq!(
        refusal(client.delete_connector(sales.request(delete.clone())).await).0,
        Code::PermissionDenied
    );
    client.delete_connector(admin().request(delete.clone())).await.unwrap();
    assert_eq!(refusal(client.delete_connector(admin().request(delete)).await).0, Code::NotFound);
    let bad = [
        ("UPPER", None, "connector_id: "),
        ("fine", None, "connector.kind: "),
        (
            "fine",
            Some(Kind::Webhook(proto::WebhookSettings { secret: "short".to_owned() })),
            "connector.webhook.secret: ",
        ),
        ("fine", Some(Kind::Grpc(proto::GrpcSettings { user: "pbx".to_owned() })), "connector.grpc.user: "),
        ("fine", Some(Kind::Asterisk(proto::AsteriskSettings::default())), "connector.asterisk.host: "),
    ];
    for (id, kind, beginning) in bad {
        let request = proto::CreateConnectorRequest {
            connector: Some(proto::Connector { kind, ..Default::default() }),
            connector_id: id.to_owned(),
            ..Default::default()
        };
        let (code, words) = refusal(client.create_connector(admin().request(request)).await);
        assert_eq!(code, Code::InvalidArgument);
        assert!(words.starts_with(beginning), "{words}");
    }
}

async fn x3_connectors_obey_etag_mask_and_repeat(world: World) {
    let mut client = world.connectors.clone();
    let connector = world.connector("cloud").await;
    let change = proto::Connector { display_name: "Cloud".to_owned(), disabled: true, ..connector.clone() };
    let update = proto::UpdateConnectorRequest {
        connector: Some(change.clone()),
        update_mask: Some(prost_types::FieldMask { paths: vec!["display_name".to_owned()] }),
        request_id: "u1".to_owned(),
    };
    let first = client.update_connector(admin().request(update.clone())).await.unwrap().into_inner();
    assert_eq!((first.display_name.as_str(), first.disabled), ("Cloud", false));
    let again = client.update_connector(admin().request(update.clone())).await.unwrap().into_inner();
    assert_eq!(first, again);
    let stale = proto::UpdateConnectorRequest { request_id: String::new(), ..update };
    assert_eq!(refusal(client.update_connector(admin().request(stale)).await).0, Code::Aborted);
    let other_kind = proto::UpdateConnectorRequest {
        connector: Some(proto::Connector {
            name: connector.name,
            kind: Some(Kind::Grpc(proto::GrpcSettings::default())),
            ..Default::default()
        }),
        ..Default::default()
    };
    assert_eq!(refusal(client.update_connector(admin().request(other_kind)).await).0, Code::InvalidArgument);
    let without = proto::UpdateConnectorRequest {
        connector: Some(proto::Connector { name: "connectors/cloud".to_owned(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["webhook.secret".to_owned()] }),
        ..Default::default()
    };
    let (code, words) = refusal(client.update_connector(admin().request(without)).await);
    assert_eq!(code, Code::InvalidArgument);
    assert!(words.starts_with("connector.webhook: "), "{words}");
    let create = proto::CreateConnectorRequest {
        connector: Some(proto::Connector {
            kind: Some(Kind::Webhook(proto::WebhookSettings::default())),
            ..Default::default()
        }),
        connector_id: "new".to_owned(),
        request_id: "c1".to_owned(),
        ..Default::default()
    };
    let first = client.create_connector(admin().request(create.clone())).await.unwrap().into_inner();
    let again = client.create_connector(admin().request(create.clone())).await.unwrap().into_inner();
    let secret = |connector: &proto::Connector| match &connector.kind {
        Some(Kind::Webhook(settings)) => settings.secret.clone(),
        _ => panic!("{connector:?}"),
    };
    assert_eq!((secret(&first).len(), secret(&again).len()), (64, 0), "the secret is shown once");
    let taken = proto::CreateConnectorRequest { request_id: String::new(), ..create };
    assert_eq!(refusal(client.create_connector(admin().request(taken)).await).0, Code::AlreadyExists);
}

async fn x3_without_an_etag_changes_at_once_all_hold(world: World) {
    let mut processes = vec![world.connectors.clone()];
    let mut stop = None;
    if world.place.is_postgres() {
        let other = world.another_process().await;
        processes.push(other.connectors);
        stop = Some(other.stop);
    }
    let mut changes = tokio::task::JoinSet::new();
    for number in 0..40 {
        let mut client = processes[number % processes.len()].clone();
        let connector = proto::Connector {
            name: "connectors/cloud".to_owned(),
            display_name: format!("Cloud {number}"),
            ..Default::default()
        };
        let update = proto::UpdateConnectorRequest { connector: Some(connector), ..Default::default() };
        changes.spawn(async move { client.update_connector(admin().request(update)).await });
    }
    for changed in changes.join_all().await {
        changed.unwrap();
    }
    assert_eq!(world.connector("cloud").await.etag, "v41");
    stop.inspect(|stop| stop.cancel());
}
