-- What is due is looked for client by client: a client with much to hear must not hide the others.
DROP INDEX logout_notices_due_at;
CREATE INDEX logout_notices_client_due_at ON logout_notices (client_id, due_at);
