package stripe

import (
	"maps"
	"net/url"
	"strconv"
	"strings"
)

// What the fake does with money.

func (f *fake) method(token string) object {
	return f.add("pm", "payment_method", object{"type": "card", "token": token, "customer": nil, "billing_details": object{"name": nil},
		"card": object{"brand": "visa", "last4": "4242", "exp_month": 1, "exp_year": 2030}})
}

// paidWith is the payment method that a form names.
func (f *fake) paidWith(form url.Values) object {
	if token := form.Get("payment_method_data[card][token]"); token != "" {
		return f.method(token)
	}
	return f.all[form.Get("payment_method")]
}

func (f *fake) newIntent(form url.Values) (int, object) {
	amount, _ := strconv.ParseInt(form.Get("amount"), 10, 64)
	to := form.Get("transfer_data[destination]")
	if f.revoked[to] {
		return none(to, "transfer_data[destination]")
	}
	if form.Get("statement_descriptor") != "" {
		return refuse(400, "invalid_request_error", "", "statement_descriptor", "statement_descriptor is not supported for cards")
	}
	o := f.add("pi", "payment_intent", object{"amount": amount, "currency": form.Get("currency"), "status": "requires_payment_method",
		"description": form.Get("description"), "confirmation_method": form.Get("confirmation_method"), "latest_charge": nil, "next_action": nil,
		"payment_method": nil, "transfer_data": nil, "application_fee_amount": nil, "last_payment_error": nil, "customer": nil})
	o["client_secret"] = o["id"].(string) + "_secret_xyz"
	metadata(form, o)
	if to != "" {
		o["transfer_data"] = object{"destination": to}
	}
	if fee, err := strconv.ParseInt(form.Get("application_fee_amount"), 10, 64); err == nil {
		o["application_fee_amount"] = fee
	}
	if c := form.Get("customer"); c != "" {
		o["customer"] = c
	}
	if form.Get("confirm") != "true" {
		return 200, o
	}
	m := f.paidWith(form)
	if m == nil {
		return none(form.Get("payment_method"), "payment_method")
	}
	if m["customer"] != o["customer"] {
		return refuse(400, "invalid_request_error", "", "payment_method", "The payment method belongs to another customer.")
	}
	o["payment_method"] = m["id"]
	switch token := m["token"].(string); {
	case token == "tok_declined":
		return f.decline(o, "card_declined", "generic_decline", "Your card was declined.")
	case token == "tok_insufficient":
		return f.decline(o, "card_declined", "insufficient_funds", "Your card has insufficient funds.")
	case token == "tok_3ds" && form.Get("off_session") == "true":
		return f.decline(o, "authentication_required", "authentication_required", "Your card was declined. This transaction requires authentication.")
	case token == "tok_3ds":
		o["status"], o["next_action"] = "requires_action", object{"type": "use_stripe_sdk"}
		return 200, o
	case token == "tok_slow":
		o["status"] = "processing"
	}
	return f.charge(o)
}

func (f *fake) decline(o object, code, decline, message string) (int, object) {
	e := object{"type": "card_error", "code": code, "decline_code": decline, "message": message}
	o["last_payment_error"] = maps.Clone(e)
	e["payment_intent"] = maps.Clone(o)
	return 402, object{"error": e}
}

// charge takes the money of an intent. Stripe's fee is 2.9 % + 30.
func (f *fake) charge(o object) (int, object) {
	amount := o["amount"].(int64)
	fee := (amount*290+5000)/10000 + 30
	c := f.add("ch", "charge", object{"amount": amount, "amount_refunded": int64(0), "currency": o["currency"], "status": "succeeded", "disputed": false,
		"paid": true, "captured": true, "payment_intent": o["id"], "description": o["description"], "metadata": o["metadata"],
		"billing_details": object{"name": nil}, "application_fee": nil, "application_fee_amount": nil, "transfer_data": o["transfer_data"],
		"payment_method_details": object{"type": "card", "card": object{"brand": "visa", "last4": "4242", "exp_month": 1, "exp_year": 2030}}})
	bt := f.add("txn", "balance_transaction", object{"amount": amount, "currency": o["currency"], "fee": fee, "net": amount - fee, "type": "charge",
		"fee_details": []object{{"amount": fee, "currency": o["currency"], "description": "Stripe processing fees", "type": "stripe_fee"}}})
	c["balance_transaction"] = bt["id"]
	if part, ok := o["application_fee_amount"].(int64); ok {
		c["application_fee_amount"] = part
		c["application_fee"] = f.add("fee", "application_fee", object{"amount": part, "amount_refunded": int64(0), "charge": c["id"]})["id"]
	}
	if o["status"] != "processing" {
		o["status"] = "succeeded"
	} else {
		c["status"] = "pending"
	}
	o["latest_charge"] = c["id"]
	return 200, f.expandedIntent(o)
}

// browse is what a browser does with an intent: it pays or saves the card, or passes the test of the bank.
func (f *fake) browse(secret string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := f.all[strings.Split(secret, "_secret_")[0]]
	if o["payment_method"] == nil {
		o["payment_method"] = f.method("tok_visa")["id"]
		f.all[o["payment_method"].(string)]["customer"] = o["customer"]
	}
	switch {
	case o["object"] == "setup_intent":
		o["status"] = "succeeded"
	case o["confirmation_method"] == "manual":
		o["status"], o["next_action"] = "requires_confirmation", nil
	default:
		f.charge(o)
	}
}

func (f *fake) newSetup(form url.Values) (int, object) {
	o := f.add("seti", "setup_intent", object{"status": "requires_payment_method", "customer": nil, "payment_method": nil, "usage": form.Get("usage")})
	o["client_secret"] = o["id"].(string) + "_secret_xyz"
	metadata(form, o)
	if c := form.Get("customer"); c != "" {
		if f.all[c] == nil {
			return none(c, "customer")
		}
		o["customer"] = c
	}
	if form.Get("confirm") != "true" {
		return 200, o
	}
	m := f.paidWith(form)
	if m == nil {
		return none(form.Get("payment_method"), "payment_method")
	}
	o["payment_method"] = m["id"]
	switch m["token"] {
	case "tok_declined":
		return 402, object{"error": object{"type": "card_error", "code": "card_declined", "decline_code": "generic_decline", "message": "Your card was declined."}}
	case "tok_3ds":
		o["status"] = "requires_action"
	default:
		o["status"] = "succeeded"
	}
	m["customer"] = o["customer"]
	return 200, o
}

func (f *fake) refund(form url.Values) (int, object) {
	id := form.Get("charge")
	if pi := form.Get("payment_intent"); pi != "" {
		id = f.all[pi]["latest_charge"].(string)
	}
	c := f.all[id]
	amount, err := strconv.ParseInt(form.Get("amount"), 10, 64)
	if left := c["amount"].(int64) - c["amount_refunded"].(int64); err != nil {
		amount = left
	} else if left == 0 || amount > left {
		return refuse(400, "invalid_request_error", "charge_already_refunded", "", "Charge "+id+" has already been refunded.")
	}
	c["amount_refunded"] = c["amount_refunded"].(int64) + amount
	o := f.add("re", "refund", object{"amount": amount, "charge": id, "currency": c["currency"], "status": "succeeded"})
	metadata(form, o)
	return 200, o
}

// expanded is a customer with its default payment method in place of the key.
func (f *fake) expanded(o object) object {
	o = maps.Clone(o)
	if settings, ok := o["invoice_settings"].(object); ok {
		if key, ok := settings["default_payment_method"].(string); ok && f.all[key]["customer"] == o["id"] {
			o["invoice_settings"] = object{"default_payment_method": f.all[key]}
		} else {
			o["invoice_settings"] = object{"default_payment_method": nil}
		}
	}
	return o
}

func (f *fake) expandedIntent(o object) object {
	o = maps.Clone(o)
	if key, ok := o["latest_charge"].(string); ok {
		o["latest_charge"] = f.all[key]
	}
	return o
}

// change sets something of an object.
func (f *fake) change(id, name string, value any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all[id][name] = value
}
