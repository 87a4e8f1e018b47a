//! T2: AMI, ARI and FreeSWITCH behind TLS, by the certificate that was given and by no other.
//! A tunnel of ours stands where stunnel or Asterisk's own TLS would.

use std::sync::Arc;
use std::time::Duration;

use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::connector::Kind;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::ari_server::{Ari, Part};
use crate::asterisk::Asterisk;
use crate::freeswitch_server::{PASSWORD, Play, Server};
use crate::start_call::add;
use crate::world::World;

kontor_testbed::on_both! { World;
    t2_telephone_systems_are_reached_by_tls_with_their_own_certificate_only,
}

/// A key and a certificate of "localhost", which stands for itself; and the certificate as PEM.
fn certificate() -> (TlsAcceptor, String) {
    let made = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", "-", "-out", "-"])
        .output()
        .expect("openssl is there: tests/install sees to it");
    let pem = String::from_utf8(made.stdout).unwrap();
    let provider = rustls::crypto::ring::default_provider().into();
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let settings = builder.unwrap().with_no_client_auth().with_single_cert(
        vec![CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()],
        PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap(),
    );
    let only = pem[pem.find("-----BEGIN CERTIFICATE").unwrap()..].to_owned();
    (TlsAcceptor::from(Arc::new(settings.unwrap())), only)
}

/// TLS outside, plain to this port inside. The port outside.
async fn tunnel(tls: &TlsAcceptor, to: u16) -> i32 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let tls = tls.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tls = tls.clone();
            tokio::spawn(async move {
                let Ok(mut outside) = tls.accept(stream).await else { return };
                let mut inside = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    });
    i32::from(port)
}

async fn comes_to(world: &World, id: &str, wanted: impl Fn(&proto::ConnectorState) -> bool) {
    for () in kontor_testbed::patience() {
        if wanted(&world.connector(id).await.state.unwrap()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{id}: {:?}", world.connector(id).await.state);
}

async fn t2_telephone_systems_are_reached_by_tls_with_their_own_certificate_only(world: World) {
    let (tls, pem) = certificate();
    let (_, another) = certificate();
    let (asterisk, ari) = (Asterisk::play(Vec::new(), &[]).await, Ari::play(vec![Part::of("")]).await);
    let switch = Server::start(Play::default()).await;
    let by = |pem: &str| Some(proto::PeerTls { certificates: pem.to_owned() });
    let ami = |port: i32, pem: &str| {
        Kind::Asterisk(proto::AsteriskSettings {
            host: "localhost".into(),
            port,
            username: "kontor".into(),
            secret: "s3cret".into(),
            tls: by(pem),
            ..Default::default()
        })
    };
    let port = tunnel(&tls, asterisk.port).await;
    let ari_settings = proto::AriSettings {
        host: "localhost".into(),
        port: tunnel(&tls, ari.port).await,
        tls: by(&pem),
        ..crate::ari::settings(0)
    };
    let switch_settings = proto::FreeSwitchSettings {
        host: "localhost".into(),
        port: tunnel(&tls, switch.port).await,
        password: PASSWORD.into(),
        tls: by(&pem),
        ..Default::default()
    };
    let kinds = [
        ("stranger", ami(port, &another)),
        ("nobody", ami(port, "")),
        ("manager", ami(port, &pem)),
        ("office", Kind::Ari(ari_settings)),
        ("switch", Kind::Freeswitch(switch_settings)),
    ];
    for (id, kind) in kinds {
        add(&world, id, proto::Connector { kind: Some(kind), ..Default::default() }).await.unwrap();
    }
    for id in ["stranger", "nobody"] {
        // the system's roots do not know it, and neither does a certificate of another one
        comes_to(&world, id, |state| {
            !state.connected && state.last_error.contains("TLS: invalid peer certificate")
        })
        .await;
    }
    for id in ["manager", "office", "switch"] {
        comes_to(&world, id, |state| state.connected).await;
    }
    assert_eq!(asterisk.connections(), 1, "the secret was told to nobody else");
}
