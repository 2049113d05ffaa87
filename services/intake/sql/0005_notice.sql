-- The notices people were shown, each by its content, so that what a consent rests on can be read years later,
-- whatever has become of the files. No person.
create table intake.notice (
    sha256   text primary key,
    version  text not null,
    language text not null,
    title    text not null,
    text     text not null
);
