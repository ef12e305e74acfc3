-- Only successful payments are remembered. The invoice's id is the idempotency key.
CREATE TABLE payments (
    invoice_id text PRIMARY KEY,
    payment_id text NOT NULL UNIQUE,
    value numeric(16, 4) NOT NULL CHECK (value > 0),
    currency text NOT NULL,
    paid_at timestamptz NOT NULL DEFAULT now()
);
