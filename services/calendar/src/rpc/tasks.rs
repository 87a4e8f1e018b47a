//! TaskService: VTODO objects.
//! Mounted by `start`.

use kontor_kit::Result;
use kontor_kit::auth::Caller;
use kontor_kit::mask::Mask;
use kontor_proto::calendar::v1 as proto;
use kontor_proto::calendar::v1::task_service_server::TaskService;
use kontor_vobject::zone::Zones;
use tonic::{Request, Response};

use super::convert;
use super::events::chosen_uid;
use super::objects::{Loaded, TASKS};
use super::{Answer, Core};
use crate::domain::task::{self, FIELDS, Task};
use crate::domain::text;

#[tonic::async_trait]
impl TaskService for Core {
    async fn list_tasks(
        &self,
        request: Request<proto::ListTasksRequest>,
    ) -> Answer<proto::ListTasksResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let query = kontor_kit::page::Query {
            page_size: request.page_size,
            page_token: request.page_token,
            ..Default::default()
        };
        let page = self.list(caller, TASKS, request.parent, query, brief).await?;
        Ok(Response::new(proto::ListTasksResponse {
            tasks: page.rows,
            next_page_token: page.next_page_token,
        }))
    }

    async fn get_task(&self, request: Request<proto::GetTaskRequest>) -> Answer<proto::Task> {
        let caller = Caller::of(&request)?;
        let loaded = self.load(&caller, TASKS, &request.get_ref().name, "name").await?;
        let icalendar = loaded.object.data.clone();
        Ok(Response::new(proto::Task { icalendar, ..brief(&loaded)? }))
    }

    async fn create_task(&self, request: Request<proto::CreateTaskRequest>) -> Answer<proto::Task> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let message = request.task.clone().unwrap_or_default();
        let task = convert::task(&message)?;
        let uid = chosen_uid(&message.uid, "task.uid")?;
        let now = self.hooks.clock.now();
        let parent = self.parent(&caller, &request.parent).await;
        let text = parent.and_then(|parent| {
            let data = task::create(&task, &uid, &parent.zone, now)?;
            Ok((parent, data))
        });
        let options = (request.request_id.clone(), request.validate_only);
        Ok(Response::new(self.create(caller, request, options, text, brief).await?))
    }

    async fn update_task(&self, request: Request<proto::UpdateTaskRequest>) -> Answer<proto::Task> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let message = request.task.clone().unwrap_or_default();
        let task = convert::task(&message)?;
        let mask = Mask::read(request.update_mask.as_ref(), &FIELDS, &convert::set_task_fields(&message))?;
        let now = self.hooks.clock.now();
        let change = |before: &Loaded| task::update(&before.object.data, &task, &mask, &before.zone, now);
        let request_id = request.request_id.clone();
        let place = (message.name.as_str(), "task.name");
        let answer =
            self.update(caller, request, &request_id, TASKS, place, &message.etag, change, brief).await?;
        Ok(Response::new(answer))
    }

    async fn delete_task(&self, request: Request<proto::DeleteTaskRequest>) -> Answer<()> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let (request_id, name, etag) =
            (request.request_id.clone(), request.name.clone(), request.etag.clone());
        self.delete(caller, request, request_id, TASKS, name, etag).await?;
        Ok(Response::new(()))
    }
}

/// The message without the object's bytes.
fn brief(loaded: &Loaded) -> Result<proto::Task> {
    let (document, object) = text::stored(&loaded.object.data)?;
    let mut zones = Zones::of(&document, loaded.zone.clone());
    let task = Task::read(object.first(), &mut zones);
    Ok(proto::Task {
        name: loaded.name(TASKS),
        uid: object.uid.clone(),
        etag: loaded.object.etag.clone(),
        ..convert::task_message(task)
    })
}
