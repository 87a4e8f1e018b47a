CREATE TABLE assignment_member (id TEXT PRIMARY KEY, version BIGINT NOT NULL, team TEXT NOT NULL, active BIGINT NOT NULL, capacity BIGINT NOT NULL, skills TEXT NOT NULL, territories TEXT NOT NULL, latitude BIGINT, longitude BIGINT, radius_km BIGINT NOT NULL, preference BIGINT NOT NULL);
CREATE INDEX assignment_member_team ON assignment_member (team, id);
CREATE TABLE assignment_need (opportunity TEXT PRIMARY KEY, skills TEXT NOT NULL, country TEXT NOT NULL, postcode TEXT NOT NULL, latitude BIGINT, longitude BIGINT, deadline BIGINT);
CREATE TABLE assignment (id TEXT PRIMARY KEY, opportunity TEXT NOT NULL, member TEXT NOT NULL, time BIGINT NOT NULL);
CREATE INDEX assignment_member_time ON assignment (member, time);
