//! Call lists through their clients: a list of the team sales, its leader, its operators, imports and takes.
//! Used by the tests of rows T7 to T13.

use kontor_kit::auth::Caller;
use kontor_kit::clock;
use kontor_kit::link::Link;
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::call_list_service_client::CallListServiceClient;
use kontor_proto::telephony::v1::dispatch_service_client::DispatchServiceClient;
use kontor_proto::telephony::v1::do_not_call_service_client::DoNotCallServiceClient;
use kontor_proto::telephony::v1::import_call_list_entries_request::Part;
use kontor_proto::telephony::v1::{CallListOutcome, CallOutcomeReason};
use kontor_testbed::caller;
use tonic::{Response, Status};

use crate::world::World;

/// The list of most tests.
pub const FAIR: &str = "callLists/fair";

/// Leads the team sales.
pub fn lead() -> Caller {
    caller("lead", &["sales"], &["sales"])
}

/// A member of the team sales.
pub fn operator(name: &str) -> Caller {
    caller(name, &["sales"], &[])
}

/// The clients.
#[derive(Clone)]
pub struct Lists {
    pub lists: CallListServiceClient<Link>,
    pub dispatch: DispatchServiceClient<Link>,
    pub numbers: DoNotCallServiceClient<Link>,
}

impl Lists {
    pub fn of(world: &World) -> Lists {
        Lists::over(&world.link)
    }

    pub fn over(link: &Link) -> Lists {
        Lists {
            lists: CallListServiceClient::new(link.clone()),
            dispatch: DispatchServiceClient::new(link.clone()),
            numbers: DoNotCallServiceClient::new(link.clone()),
        }
    }

    /// With the list "fair" of the team sales.
    pub async fn with_list(world: &World, change: impl FnOnce(&mut proto::CallList)) -> Lists {
        let lists = Lists::of(world);
        lists.create("fair", change).await.unwrap();
        lists
    }

    pub async fn create(
        &self,
        id: &str,
        change: impl FnOnce(&mut proto::CallList),
    ) -> Result<proto::CallList, Status> {
        let mut call_list = proto::CallList {
            display_name: "Fair 2026".to_owned(),
            team: "teams/sales".to_owned(),
            ..Default::default()
        };
        change(&mut call_list);
        let request = proto::CreateCallListRequest {
            call_list: Some(call_list),
            call_list_id: id.to_owned(),
            ..Default::default()
        };
        self.lists.clone().create_call_list(lead().request(request)).await.map(Response::into_inner)
    }

    pub async fn update(
        &self,
        caller: &Caller,
        call_list: proto::CallList,
        fields: &[&str],
    ) -> Result<proto::CallList, Status> {
        let request = proto::UpdateCallListRequest {
            call_list: Some(call_list),
            update_mask: Some(mask(fields)),
            ..Default::default()
        };
        self.lists.clone().update_call_list(caller.request(request)).await.map(Response::into_inner)
    }

    /// All answers of an import.
    pub async fn import_as(
        &self,
        caller: &Caller,
        settings: proto::CallListImport,
        rows: Vec<proto::CallListRow>,
    ) -> Result<Vec<proto::ImportCallListEntriesResponse>, Status> {
        let first = proto::ImportCallListEntriesRequest { part: Some(Part::Settings(settings)) };
        let rows: Vec<_> = rows
            .chunks(1_000)
            .map(|some| proto::ImportCallListEntriesRequest {
                part: Some(Part::Rows(proto::CallListRows { rows: some.to_vec() })),
            })
            .collect();
        let messages = tokio_stream::iter(std::iter::once(first).chain(rows));
        let mut answers =
            self.lists.clone().import_call_list_entries(caller.request(messages)).await?.into_inner();
        let mut all = Vec::new();
        while let Some(answer) = answers.message().await? {
            all.push(answer);
        }
        Ok(all)
    }

    /// Imports into "fair" and gives the last answer, with the errors and doubles of all.
    pub async fn import(&self, rows: Vec<proto::CallListRow>) -> proto::ImportCallListEntriesResponse {
        let settings = proto::CallListImport { parent: FAIR.to_owned(), ..Default::default() };
        summed(self.import_as(&lead(), settings, rows).await.unwrap())
    }

    /// Imports numbers alone.
    pub async fn fill(&self, numbers: &[&str]) {
        let rows = numbers.iter().map(|number| row(number)).collect();
        let answer = self.import(rows).await;
        assert_eq!(answer.created_rows, i64::try_from(numbers.len()).unwrap(), "{answer:?}");
    }

    pub async fn take_as(
        &self,
        caller: &Caller,
        parent: &str,
    ) -> Result<proto::TakeNextCallResponse, Status> {
        let request = proto::TakeNextCallRequest { parent: parent.to_owned(), ..Default::default() };
        self.dispatch.clone().take_next_call(caller.request(request)).await.map(Response::into_inner)
    }

    /// The next call of "fair", or none.
    pub async fn next(&self, caller: &Caller) -> Option<Lease> {
        let answer = self.take_as(caller, FAIR).await.unwrap();
        answer.entry.map(|entry| Lease { caller: caller.clone(), entry, token: answer.lease_token })
    }

    /// The next call of "fair", which there is.
    pub async fn take(&self, caller: &Caller) -> Lease {
        self.next(caller).await.expect("there is a call")
    }

    pub async fn dial(&self, lease: &Lease) -> Result<proto::CallListEntry, Status> {
        let request = proto::StartDialRequest {
            name: lease.entry.name.clone(),
            lease_token: lease.token.clone(),
            ..Default::default()
        };
        self.dispatch.clone().start_dial(lease.caller.request(request)).await.map(Response::into_inner)
    }

    pub async fn record(
        &self,
        lease: &Lease,
        outcome: CallListOutcome,
        change: impl FnOnce(&mut proto::RecordOutcomeRequest),
    ) -> Result<proto::CallListEntry, Status> {
        let mut request = proto::RecordOutcomeRequest {
            name: lease.entry.name.clone(),
            lease_token: lease.token.clone(),
            outcome: outcome.into(),
            ..Default::default()
        };
        change(&mut request);
        self.dispatch.clone().record_outcome(lease.caller.request(request)).await.map(Response::into_inner)
    }

    /// Takes the next call, dials it, and tells that it was not held.
    pub async fn fail(&self, caller: &Caller, reason: CallOutcomeReason) -> proto::CallListEntry {
        let lease = self.take(caller).await;
        self.dial(&lease).await.unwrap();
        self.record(&lease, CallListOutcome::NotHeld, |request| request.reason = reason.into()).await.unwrap()
    }

    /// Takes the next call, dials it, and tells that it was held.
    pub async fn hold(&self, caller: &Caller) -> proto::CallListEntry {
        let lease = self.take(caller).await;
        self.dial(&lease).await.unwrap();
        self.record(&lease, CallListOutcome::Held, |_| ()).await.unwrap()
    }

    pub async fn get(&self, name: &str) -> proto::CallListEntry {
        let request = proto::GetCallListEntryRequest { name: name.to_owned() };
        self.lists.clone().get_call_list_entry(lead().request(request)).await.unwrap().into_inner()
    }

    pub async fn entries(&self, filter: &str) -> Vec<proto::CallListEntry> {
        let request = proto::ListCallListEntriesRequest {
            parent: FAIR.to_owned(),
            filter: filter.to_owned(),
            page_size: 1_000,
            ..Default::default()
        };
        self.lists.clone().list_call_list_entries(lead().request(request)).await.unwrap().into_inner().entries
    }

    pub async fn change(
        &self,
        caller: &Caller,
        entry: proto::CallListEntry,
        fields: &[&str],
    ) -> Result<proto::CallListEntry, Status> {
        let request = proto::UpdateCallListEntryRequest {
            entry: Some(entry),
            update_mask: Some(mask(fields)),
            ..Default::default()
        };
        self.lists.clone().update_call_list_entry(caller.request(request)).await.map(Response::into_inner)
    }

    pub async fn do_not_call(&self, caller: &Caller, number: &str) -> Result<proto::DoNotCallNumber, Status> {
        let number = proto::DoNotCallNumber { number: number.to_owned(), reason: 1, ..Default::default() };
        let request =
            proto::CreateDoNotCallNumberRequest { do_not_call_number: Some(number), ..Default::default() };
        self.numbers
            .clone()
            .create_do_not_call_number(caller.request(request))
            .await
            .map(Response::into_inner)
    }

    pub async fn summary(&self) -> proto::SummarizeCallListResponse {
        let request = proto::SummarizeCallListRequest { name: FAIR.to_owned() };
        self.lists.clone().summarize_call_list(lead().request(request)).await.unwrap().into_inner()
    }
}

/// What an operator has.
#[derive(Debug)]
pub struct Lease {
    pub caller: Caller,
    pub entry: proto::CallListEntry,
    pub token: String,
}

impl Lease {
    /// When the lease expires, in microseconds.
    pub fn expires(&self) -> i64 {
        clock::from_proto(&self.entry.lease_expire_time.unwrap())
    }
}

pub fn mask(fields: &[&str]) -> prost_types::FieldMask {
    prost_types::FieldMask { paths: fields.iter().map(|field| (*field).to_owned()).collect() }
}

pub fn row(number: &str) -> proto::CallListRow {
    proto::CallListRow { number: number.to_owned(), ..Default::default() }
}

/// So many Belgian mobile numbers.
pub fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("+32470{number:06}")).collect()
}

/// The last answer, with the errors and doubles of all.
pub fn summed(answers: Vec<proto::ImportCallListEntriesResponse>) -> proto::ImportCallListEntriesResponse {
    let mut last = answers.last().expect("answers").clone();
    assert!(last.done, "the last answer says that all is done");
    last.errors = answers.iter().flat_map(|answer| answer.errors.clone()).collect();
    last.doubles = answers.iter().flat_map(|answer| answer.doubles.clone()).collect();
    last
}
