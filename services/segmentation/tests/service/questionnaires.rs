//! S2 and S3: answers of partners, and profiles over them.

use kontor_proto::segmentation::v1 as proto;
use kontor_testbed::{admin, failure};
use tonic::{Code, Status};

use crate::world::{World, sales};

kontor_testbed::on_both! { World;
    s2_a_new_answer_replaces_the_old,
    s2_profile_is_and_over_questions_or_within_one_and_inherits,
    s2_what_a_rule_reads_is_not_taken_away,
}

fn question(id: &str, choices: &[&str], multiple: bool) -> proto::Question {
    let choice = |choice: &&str| proto::Choice { id: (*choice).to_owned(), text: format!("Choice {choice}") };
    proto::Question {
        id: id.to_owned(),
        text: format!("What {id}?"),
        choices: choices.iter().map(choice).collect(),
        multiple,
    }
}

async fn ask(world: &World) -> proto::Questionnaire {
    let questionnaire = proto::Questionnaire {
        display_name: "Tastes".to_owned(),
        questions: vec![
            question("colour", &["red", "green", "blue"], false),
            question("sport", &["run", "swim", "chess"], true),
        ],
        ..Default::default()
    };
    let request = proto::CreateQuestionnaireRequest {
        questionnaire: Some(questionnaire),
        questionnaire_id: "tastes".to_owned(),
        ..Default::default()
    };
    world.questionnaires.clone().create_questionnaire(admin().request(request)).await.unwrap().into_inner()
}

async fn answer(
    world: &World,
    partner: &str,
    question: &str,
    choices: &[&str],
) -> Result<Vec<proto::PartnerAnswer>, Status> {
    let answer = proto::PartnerAnswer {
        question: question.to_owned(),
        choices: choices.iter().map(|choice| (*choice).to_owned()).collect(),
        ..Default::default()
    };
    let request = proto::RecordAnswersRequest {
        partner: partner.to_owned(),
        answers: vec![answer],
        ..Default::default()
    };
    let mut client = world.questionnaires.clone();
    Ok(client.record_answers(sales().request(request)).await?.into_inner().answers)
}

async fn s2_a_new_answer_replaces_the_old(world: World) {
    let anna = world.known("Anna", "BE").await;
    ask(&world).await;
    world.add_segment("red", "\"red\" in answers[\"questions/colour\"]").await;
    answer(&world, &anna, "colour", &["red"]).await.unwrap();
    assert_eq!(world.members("red").await, std::slice::from_ref(&anna));
    let now = answer(&world, &anna, "colour", &["blue"]).await.unwrap();
    assert_eq!((now.len(), &now[0].choices), (1, &vec!["blue".to_owned()]));
    assert_eq!(world.members("red").await, [""; 0]);
    answer(&world, &anna, "sport", &["swim", "run"]).await.unwrap();
    answer(&world, &anna, "sport", &["chess"]).await.unwrap();
    let request = proto::CountAnswersRequest { name: "questionnaires/tastes".to_owned() };
    let counts =
        world.questionnaires.clone().count_answers(sales().request(request)).await.unwrap().into_inner();
    let counts: Vec<(String, i64)> = counts.choices.into_iter().map(|it| (it.choice, it.count)).collect();
    let expected = [("red", 0), ("green", 0), ("blue", 1), ("run", 0), ("swim", 0), ("chess", 1)];
    assert_eq!(counts, expected.map(|(choice, count)| (choice.to_owned(), count)));
    assert_eq!(answer(&world, &anna, "sport", &[]).await.unwrap().len(), 1, "it is taken back");
    for (question, choices) in [("colour", &["red", "blue"][..]), ("colour", &["black"]), ("shape", &["red"])]
    {
        assert_eq!(failure(answer(&world, &anna, question, choices).await).0, Code::InvalidArgument);
    }
    assert_eq!(failure(answer(&world, "partners/nobody", "colour", &["red"]).await).0, Code::NotFound);
}

async fn s2_profile_is_and_over_questions_or_within_one_and_inherits(world: World) {
    let (anna, ben) = (world.known("Anna", "BE").await, world.known("Ben", "BE").await);
    ask(&world).await;
    let rule = async |wanted: &[&str], unwanted: &[&str]| {
        let owned = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect();
        let request = proto::MakeProfileRuleRequest { wanted: owned(wanted), unwanted: owned(unwanted) };
        world
            .questionnaires
            .clone()
            .make_profile_rule(sales().request(request))
            .await
            .map(|it| it.into_inner().rule)
    };
    let warm = rule(&["colour.red", "colour.green", "sport.run"], &[]).await.unwrap();
    world.add_segment("warm", &warm).await;
    let child = rule(&[], &["sport.chess"]).await.unwrap();
    world.try_segment(&admin(), "child", &child, &["warm"], "").await.unwrap();
    for (partner, colour) in [(&anna, "red"), (&ben, "green")] {
        answer(&world, partner, "colour", &[colour]).await.unwrap();
    }
    assert_eq!(world.members("warm").await, [""; 0], "each question has to be answered so");
    answer(&world, &anna, "sport", &["run"]).await.unwrap();
    answer(&world, &ben, "sport", &["run", "chess"]).await.unwrap();
    world.members_become("warm", &[&anna, &ben]).await;
    world.members_become("child", &[&anna]).await;
    answer(&world, &anna, "colour", &["blue"]).await.unwrap();
    world.members_become("warm", &[&ben]).await;
    world.members_become("child", &[]).await;
    for wrong in ["colour", "colour.black", "shape.red"] {
        assert_eq!(failure(rule(&[wrong], &[]).await).0, Code::InvalidArgument);
    }
}

async fn s2_what_a_rule_reads_is_not_taken_away(world: World) {
    let anna = world.known("Anna", "BE").await;
    let made = ask(&world).await;
    let red = world.add_segment("red", "\"red\" in answers[\"questions/colour\"]").await;
    answer(&world, &anna, "colour", &["red"]).await.unwrap();
    let without = |questions: Vec<proto::Question>| {
        let questionnaire = proto::Questionnaire { questions, etag: String::new(), ..made.clone() };
        let request = proto::UpdateQuestionnaireRequest {
            questionnaire: Some(questionnaire),
            update_mask: Some(prost_types::FieldMask { paths: vec!["questions".to_owned()] }),
            ..Default::default()
        };
        let mut client = world.questionnaires.clone();
        async move { client.update_questionnaire(admin().request(request)).await }
    };
    assert_eq!(failure(without(vec![made.questions[1].clone()]).await).1, "IN_USE");
    let less = question("colour", &["green", "blue"], false);
    assert_eq!(failure(without(vec![less.clone()]).await).1, "IN_USE");
    // A choice that is not offered any more is nobody's answer.
    let rule = "size(answers[\"questions/colour\"]) > 0".to_owned();
    world.update_segment(proto::Segment { rule, ..red }, &["rule"]).await.unwrap();
    world.members_become("red", &[&anna]).await;
    without(vec![less]).await.unwrap();
    world.members_become("red", &[]).await;
    let taken = proto::CreateQuestionnaireRequest {
        questionnaire: Some(proto::Questionnaire {
            display_name: "Other".to_owned(),
            questions: vec![question("colour", &["red"], false)],
            ..Default::default()
        }),
        ..Default::default()
    };
    let refused = world.questionnaires.clone().create_questionnaire(admin().request(taken.clone())).await;
    assert_eq!(failure(refused).0, Code::AlreadyExists);
    let denied = world.questionnaires.clone().create_questionnaire(sales().request(taken)).await;
    assert_eq!(failure(denied).0, Code::PermissionDenied);
}
