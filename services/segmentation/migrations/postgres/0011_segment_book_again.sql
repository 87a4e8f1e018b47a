-- Partners whose cards the directory took out of all books by itself: books that have them are told so again (ADR 26).
CREATE TABLE segment_book_again (ord BIGINT PRIMARY KEY, turn BIGINT NOT NULL);
