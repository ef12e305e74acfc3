-- claimed_by and claimed_until say who is paying an invoice now; a claim that has expired is none.
CREATE TABLE invoices (
    invoice_id text PRIMARY KEY,
    value numeric(16, 4) NOT NULL CHECK (value > 0),
    currency text NOT NULL,
    is_paid boolean NOT NULL DEFAULT false,
    payment_id text,
    claimed_by text,
    claimed_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (is_paid = (payment_id IS NOT NULL)),
    CHECK ((claimed_by IS NULL) = (claimed_until IS NULL)),
    CHECK (NOT (is_paid AND claimed_by IS NOT NULL))
);
CREATE INDEX invoices_unpaid ON invoices (invoice_id) WHERE NOT is_paid;
