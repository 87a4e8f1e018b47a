-- "members/me" was once kept under that name, which is nobody's: those rows got opportunities that no user has.
DELETE FROM assignment_member WHERE id = 'me';
