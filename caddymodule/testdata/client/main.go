// Command client takes the tour with a client that was generated from the description of the API; see TestGeneratedClient. Its argument
// is the address of the site.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
)

func main() {
	log.SetFlags(0)
	if err := tour(context.Background(), os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func tour(ctx context.Context, site string) error {
	token := ""
	bearer := func(_ context.Context, r *http.Request) error {
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		return nil
	}
	api, err := NewClientWithResponses(site, WithRequestEditorFn(bearer))
	if err != nil {
		return err
	}
	username, password, kind := "joe1", "yoyo", PostAuthRegisterJSONBodyType("personal")
	email := "joe+1@example.com"
	joe := PostAuthRegisterJSONRequestBody{Username: &username, Password: &password, Email: &email, FullName: "Joe Card1", Type: &kind}
	registered, err := api.PostAuthRegisterWithResponse(ctx, nil, joe)
	if err != nil || registered.JSON201 == nil {
		return fmt.Errorf("register: %v %s", err, registered.Body)
	}
	token = registered.JSON201.Token
	if err := visit(site, token, http.StatusForbidden); err != nil {
		return err
	}
	cart, err := api.PostCartWithBodyWithResponse(ctx, "application/json", strings.NewReader(`{"plan":"premium"}`))
	if err != nil || cart.JSON201 == nil {
		return fmt.Errorf("cart: %v %s", err, cart.Body)
	}
	card := "tok_visa"
	order := PostBillingByProfileCheckoutJSONRequestBody{ProcessorToken: &card, Items: &[]struct {
		Option int64 `json:"option"`
	}{{1}}}
	paid, err := api.PostBillingByProfileCheckoutWithResponse(ctx, username, nil, order)
	if err != nil || paid.JSON201 == nil || paid.JSON201.Amount == nil {
		return fmt.Errorf("checkout: %v %s", err, paid.Body)
	}
	return visit(site, token, http.StatusOK)
}

// visit asks for the application behind the gate.
func visit(site, token string, want int) error {
	r, err := http.NewRequest("GET", site+"/app/joe1/", nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != want {
		return fmt.Errorf("the application answers %d, want %d", res.StatusCode, want)
	}
	fmt.Println("/app/joe1/", res.StatusCode)
	return nil
}
