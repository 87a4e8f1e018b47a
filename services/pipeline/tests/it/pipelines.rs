//! Pipelines and stages: the default one, who may change them, what stays when they are in use.

use kontor_proto::pipeline::v1 as proto;
use kontor_testbed::{admin, failure};
use tonic::Code;

use crate::world::{World, anna, deal, manager, mask};

kontor_testbed::on_both! { World;
    p4_a_new_installation_has_a_default_pipeline,
    p4_exactly_one_pipeline_is_the_default,
    p4_a_stage_in_use_stays,
    x4_sellers_do_not_change_pipelines,
    a_second_start_keeps_the_pipelines,
}

fn new(pipeline_id: &str, stages: &[&str]) -> proto::CreatePipelineRequest {
    let stage = |name: &&str| proto::Stage {
        name: (*name).to_owned(),
        display_name: name.to_uppercase(),
        probability: 20,
        ..Default::default()
    };
    let pipeline = proto::Pipeline {
        display_name: pipeline_id.to_uppercase(),
        stages: stages.iter().map(stage).collect(),
        ..Default::default()
    };
    proto::CreatePipelineRequest {
        pipeline: Some(pipeline),
        pipeline_id: pipeline_id.to_owned(),
        ..Default::default()
    }
}

async fn listed(world: &World) -> Vec<proto::Pipeline> {
    let answer = world.pipelines.clone().list_pipelines(anna().request(Default::default())).await.unwrap();
    answer.into_inner().pipelines
}

async fn p4_a_new_installation_has_a_default_pipeline(world: World) {
    let pipelines = listed(&world).await;
    assert_eq!(pipelines.len(), 1);
    assert!(pipelines[0].is_default && pipelines[0].lost_reason_required);
    let stages: Vec<_> =
        pipelines[0].stages.iter().map(|stage| (stage.name.as_str(), stage.probability)).collect();
    let expected = [("new", 10), ("qualified", 30), ("proposition", 60), ("negotiation", 80)];
    let expected = expected.map(|(id, percent)| (format!("pipelines/default/stages/{id}"), percent));
    assert_eq!(stages, expected.each_ref().map(|(name, percent)| (name.as_str(), *percent)));
}

async fn p4_exactly_one_pipeline_is_the_default(world: World) {
    let mut pipelines = world.pipelines.clone();
    let mut request = new("a-first", &["x"]);
    request.pipeline.as_mut().unwrap().is_default = true;
    request.request_id = "r1".to_owned();
    let made = pipelines.create_pipeline(admin().request(request.clone())).await.unwrap().into_inner();
    assert_eq!(pipelines.create_pipeline(admin().request(request)).await.unwrap().into_inner(), made);
    pipelines.create_pipeline(admin().request(new("b-second", &["x"]))).await.unwrap();
    let all = listed(&world).await;
    let names: Vec<_> = all.iter().map(|one| (one.name.as_str(), one.is_default)).collect();
    assert_eq!(
        names,
        [("pipelines/a-first", true), ("pipelines/b-second", false), ("pipelines/default", false)]
    );
    assert_eq!(world.add_deal(&anna(), deal("Roof")).await.pipeline, "pipelines/a-first");
    let fallen = proto::UpdatePipelineRequest {
        pipeline: Some(proto::Pipeline { is_default: false, ..made.clone() }),
        update_mask: mask(&["is_default"]),
        ..Default::default()
    };
    assert_eq!(failure(pipelines.update_pipeline(admin().request(fallen)).await).0, Code::FailedPrecondition);
    let delete = proto::DeletePipelineRequest { name: made.name, ..Default::default() };
    let refused = pipelines.delete_pipeline(admin().request(delete)).await;
    assert_eq!(failure(refused), (Code::FailedPrecondition, "DEFAULT_PIPELINE".to_owned()));
    let delete = proto::DeletePipelineRequest { name: "pipelines/default".to_owned(), ..Default::default() };
    pipelines.delete_pipeline(admin().request(delete)).await.unwrap();
    assert_eq!(listed(&world).await.len(), 2);
}

async fn p4_a_stage_in_use_stays(world: World) {
    let mut pipelines = world.pipelines.clone();
    let made = pipelines.create_pipeline(manager().request(new("service", &["a", "b", "c"]))).await.unwrap();
    let made = made.into_inner();
    let in_b = proto::Opportunity {
        pipeline: made.name.clone(),
        stage: made.stages[1].name.clone(),
        ..deal("Repair")
    };
    world.add_deal(&anna(), in_b).await;
    let with = |stages: Vec<proto::Stage>, etag: &str| {
        let etag = etag.to_owned();
        let pipeline = Some(proto::Pipeline { name: made.name.clone(), stages, etag, ..Default::default() });
        manager().request(proto::UpdatePipelineRequest { pipeline, ..Default::default() })
    };
    let stages = made.stages.clone();
    let without_b = vec![stages[0].clone(), stages[2].clone()];
    let refused = pipelines.update_pipeline(with(without_b, "")).await;
    assert_eq!(failure(refused), (Code::FailedPrecondition, "STAGE_IN_USE".to_owned()));
    assert_eq!(
        failure(pipelines.update_pipeline(with(vec![stages[1].clone()], "v9")).await).0,
        Code::Aborted
    );
    let turned = vec![stages[2].clone(), stages[1].clone()];
    let changed = pipelines.update_pipeline(with(turned.clone(), &made.etag)).await.unwrap().into_inner();
    assert_eq!(changed.stages, turned);
    assert_eq!(listed(&world).await[1], changed);
    let delete = proto::DeletePipelineRequest { name: made.name.clone(), ..Default::default() };
    let refused = pipelines.delete_pipeline(manager().request(delete)).await;
    assert_eq!(failure(refused), (Code::FailedPrecondition, "PIPELINE_IN_USE".to_owned()));
}

async fn x4_sellers_do_not_change_pipelines(world: World) {
    let mut pipelines = world.pipelines.clone();
    let refused = pipelines.create_pipeline(anna().request(new("mine", &["x"]))).await;
    assert_eq!(failure(refused).0, Code::PermissionDenied);
    for wrong in [new("Mine", &["x"]), new("mine", &[]), new("mine", &["x", "x"]), new("mine", &["a_b"])] {
        let refused = pipelines.create_pipeline(admin().request(wrong)).await;
        assert_eq!(failure(refused).0, Code::InvalidArgument);
    }
    let dry = proto::CreatePipelineRequest { validate_only: true, ..new("mine", &["x"]) };
    pipelines.create_pipeline(admin().request(dry)).await.unwrap();
    assert_eq!(listed(&world).await.len(), 1);
}

async fn a_second_start_keeps_the_pipelines(world: World) {
    let renamed = proto::UpdatePipelineRequest {
        pipeline: Some(proto::Pipeline {
            name: "pipelines/default".to_owned(),
            display_name: "Verkoop".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    world.pipelines.clone().update_pipeline(admin().request(renamed)).await.unwrap();
    let peers = kontor_pipeline::Peers { directory: world.link.clone(), calendar: world.calendar.clone() };
    kontor_pipeline::start(&world.place.context, peers).await.unwrap();
    let all = listed(&world).await;
    assert_eq!((all.len(), all[0].display_name.as_str()), (1, "Verkoop"));
}
