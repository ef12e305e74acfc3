"""The invoice app of team invoice: invoices, and their payment, once each, through the payment provider."""
