//! A started templating beside a real directory, and helpers that make partners, templates and merges.
//! Used by the other files of this folder.

use std::time::Duration;

use kontor_kit::auth::Caller;
use kontor_kit::link::Link;
use kontor_proto::collection::v1 as dav;
use kontor_proto::collection::v1::collection_service_client::CollectionServiceClient;
use kontor_proto::directory::v1 as directory;
use kontor_proto::directory::v1::partner_service_client::PartnerServiceClient;
use kontor_proto::templating::v1 as proto;
use kontor_proto::templating::v1::field_value::Kind;
use kontor_proto::templating::v1::merge_service_client::MergeServiceClient;
use kontor_proto::templating::v1::template_service_client::TemplateServiceClient;
use kontor_templating::Peers;
use kontor_testbed::{Gate, Place, admin, caller};
use tonic::{Response, Status};

/// Templating in one process, and its directory.
pub struct World {
    pub place: Place,
    pub link: Link,
    pub directory: Link,
    pub templates: TemplateServiceClient<Link>,
    pub merges: MergeServiceClient<Link>,
    /// What templating asks of the directory goes through it.
    pub asked: Gate,
}

/// A leader of the team sales.
pub fn leader() -> Caller {
    caller("manager", &["sales"], &["sales"])
}

/// A member of the team sales.
pub fn sales() -> Caller {
    caller("sales", &["sales"], &[])
}

/// Somebody of another team.
pub fn neighbour() -> Caller {
    caller("neighbour", &["support"], &["support"])
}

pub const LIMIT: usize = kontor_kit::link::MESSAGE_LIMIT;

impl World {
    pub async fn start(mut place: Place) -> World {
        place.context.company.name = "Kontor Ltd".to_owned();
        let directory = Link::local(kontor_directory::start(&place.context).await.unwrap().routes);
        let asked = Gate::default();
        let peers = Peers { directory: asked.before(directory.clone()) };
        let link = Link::local(kontor_templating::start(&place.context, peers).await.unwrap().routes);
        World {
            templates: TemplateServiceClient::new(link.clone()).max_decoding_message_size(LIMIT),
            merges: MergeServiceClient::new(link.clone()),
            place,
            link,
            directory,
            asked,
        }
    }

    /// A partner from a card. Gives its name.
    pub async fn add_partner(&self, name: &str, lines: &str) -> String {
        let card = format!("BEGIN:VCARD\r\nVERSION:4.0\r\nUID:{name}\r\nFN:{name}\r\n{lines}END:VCARD\r\n");
        let request = dav::PutObjectRequest {
            path: Some(dav::CollectionPath { owner: "company".to_owned(), slug: "company".to_owned() }),
            name: format!("{name}.vcf"),
            data: card.into(),
            ..Default::default()
        };
        let mut client = CollectionServiceClient::new(self.directory.clone());
        client.put_object(admin().request(request)).await.unwrap();
        self.partner_called(name).await
    }

    pub async fn partner_called(&self, name: &str) -> String {
        let request = directory::ListPartnersRequest {
            filter: format!("display_name = \"{name}\""),
            ..Default::default()
        };
        let mut client = PartnerServiceClient::new(self.directory.clone());
        let found = client.list_partners(admin().request(request)).await.unwrap().into_inner();
        found.partners[0].name.clone()
    }

    pub async fn try_template(
        &self,
        caller: &Caller,
        id: &str,
        content: Vec<u8>,
        fields: &[(&str, proto::FieldKind)],
        team: &str,
    ) -> Result<proto::Template, Status> {
        let fields = fields
            .iter()
            .map(|(path, kind)| proto::FieldDeclaration { path: (*path).to_owned(), kind: (*kind).into() });
        let template = proto::Template {
            display_name: format!("Template {id}"),
            team: team.to_owned(),
            fields: fields.collect(),
            content: content.into(),
            ..Default::default()
        };
        let request = proto::CreateTemplateRequest {
            template: Some(template),
            template_id: id.to_owned(),
            ..Default::default()
        };
        self.templates.clone().create_template(caller.request(request)).await.map(Response::into_inner)
    }

    /// A template of the user sales that must be ready.
    pub async fn add_template(
        &self,
        id: &str,
        content: Vec<u8>,
        fields: &[(&str, proto::FieldKind)],
    ) -> proto::Template {
        let made = self.try_template(&sales(), id, content, fields, "").await.unwrap();
        assert_eq!(made.findings, []);
        assert_eq!(made.state(), proto::TemplateState::Ready);
        made
    }

    pub async fn preview(&self, request: proto::PreviewLetterRequest) -> Result<Vec<u8>, Status> {
        let answer = self.templates.clone().preview_letter(sales().request(request)).await?;
        Ok(answer.into_inner().content.to_vec())
    }

    pub async fn try_merge(&self, request: proto::CreateMergeRequest) -> Result<proto::Merge, Status> {
        self.merges.clone().create_merge(sales().request(request)).await.map(Response::into_inner)
    }

    /// Begins a merge and follows it to its end.
    pub async fn merge(&self, request: proto::CreateMergeRequest) -> proto::Merge {
        let merge = self.try_merge(request).await.unwrap();
        self.end_of(&merge.name).await
    }

    pub async fn end_of(&self, name: &str) -> proto::Merge {
        let request = sales().request(proto::WatchMergeRequest { name: name.to_owned() });
        let mut stream = self.merges.clone().watch_merge(request).await.unwrap().into_inner();
        let mut last = None;
        let end = async {
            while let Some(merge) = stream.message().await.unwrap() {
                last = Some(merge);
            }
        };
        tokio::time::timeout(Duration::from_secs(60), end).await.expect("it ends");
        last.unwrap()
    }

    pub async fn letters(&self, merge: &str) -> Vec<proto::Letter> {
        let request =
            proto::ListLettersRequest { parent: merge.to_owned(), page_size: 1_000, ..Default::default() };
        self.merges.clone().list_letters(sales().request(request)).await.unwrap().into_inner().letters
    }

    pub async fn failures(&self, merge: &str) -> Vec<proto::MergeFailure> {
        let request = proto::ListMergeFailuresRequest { parent: merge.to_owned(), ..Default::default() };
        let answer = self.merges.clone().list_merge_failures(sales().request(request)).await.unwrap();
        answer.into_inner().failures
    }

    /// A letter's file.
    pub async fn letter(&self, name: &str) -> Vec<u8> {
        let request = sales().request(proto::DownloadLetterRequest { name: name.to_owned() });
        whole(self.merges.clone().download_letter(request).await.unwrap().into_inner()).await.1
    }

    /// Name and bytes of all letters in a file.
    pub async fn download(&self, merge: &str) -> Result<(String, Vec<u8>), Status> {
        let request = sales().request(proto::DownloadMergeRequest { name: merge.to_owned() });
        Ok(whole(self.merges.clone().download_merge(request).await?.into_inner()).await)
    }
}

async fn whole(mut stream: tonic::Streaming<proto::DownloadResponse>) -> (String, Vec<u8>) {
    let (mut name, mut bytes) = (String::new(), Vec::new());
    while let Some(piece) = stream.message().await.unwrap() {
        if !piece.filename.is_empty() {
            name = piece.filename;
        }
        bytes.extend_from_slice(&piece.data);
    }
    (name, bytes)
}

pub fn fields(values: impl IntoIterator<Item = (&'static str, proto::FieldValue)>) -> proto::Fields {
    proto::Fields { fields: values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect() }
}

pub fn value(kind: Kind) -> proto::FieldValue {
    proto::FieldValue { kind: Some(kind) }
}

pub fn text(text: &str) -> proto::FieldValue {
    value(Kind::Text(text.to_owned()))
}

pub fn euro(amount: &str) -> proto::FieldValue {
    let money =
        kontor_proto::r#type::v1::Money { currency_code: "EUR".to_owned(), amount: amount.to_owned() };
    value(Kind::Money(money))
}

pub fn group(values: impl IntoIterator<Item = (&'static str, proto::FieldValue)>) -> proto::FieldValue {
    value(Kind::Group(fields(values)))
}

pub fn list(values: Vec<proto::FieldValue>) -> proto::FieldValue {
    value(Kind::List(proto::FieldList { values }))
}
