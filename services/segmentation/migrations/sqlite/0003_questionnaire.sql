-- questions: the questions as protobuf.
CREATE TABLE questionnaire (id TEXT PRIMARY KEY, version BIGINT NOT NULL, display_name TEXT NOT NULL, questions BLOB NOT NULL, create_time BIGINT NOT NULL, update_time BIGINT NOT NULL);
-- Which questionnaire has a question.
CREATE TABLE question (id TEXT PRIMARY KEY, questionnaire TEXT NOT NULL);
CREATE INDEX question_questionnaire ON question (questionnaire);
-- What was told of a partner; fact_answer has what counts. choices: one on each line.
CREATE TABLE answer (owner BIGINT NOT NULL, question TEXT NOT NULL, choices TEXT NOT NULL, time BIGINT NOT NULL, PRIMARY KEY (owner, question));
CREATE INDEX answer_question ON answer (question);
