package rest

import "strings"

// Messages of field validation (conventions.md 9.1).
const (
	msgRequired  = "This field is required."
	msgNull      = "This field may not be null."
	msgBlank     = "This field may not be blank."
	msgString    = "Not a valid string."
	msgNUL       = "Null characters are not allowed."
	msgInteger   = "A valid integer is required."
	msgBoolean   = "Must be a valid boolean."
	msgEmail     = "Enter a valid email address."
	msgURL       = "Enter a valid URL."
	msgSlug      = `Enter a valid "slug" consisting of letters, numbers, underscores or hyphens.`
	msgUsername  = "Enter a valid username."
	msgPhone     = "Enter a valid phone number."
	msgPlain     = "This field holds characters that do not show, or that turn the direction of text."
	msgTime      = "Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."
	msgNoData    = "No data provided"
	msgEmptyList = "This list may not be empty."
	msgNoFile    = "No file was submitted."
	msgEmptyFile = "The submitted file is empty."
	msgEnumBlank = "This field cannot be blank."
	msgInvalid   = "Enter a valid value."
)

func msgNotObject(kind string) string {
	return "Invalid data. Expected a dictionary, but got " + kind + "."
}
func msgNotList(kind string) string {
	return `Expected a list of items but got type "` + kind + `".`
}
func msgChoice(value string) string   { return `"` + value + `" is not a valid choice.` }
func msgTimezone(value string) string { return `"` + value + `" is not a valid timezone.` }
func msgLongest(n string) string {
	return "Ensure this field has no more than " + n + " characters."
}
func msgShortest(n string) string { return "Ensure this field has at least " + n + " characters." }
func msgMost(n string) string {
	return "Ensure this value is less than or equal to " + n + "."
}
func msgLeast(n string) string {
	return "Ensure this value is greater than or equal to " + n + "."
}
func msgMostItems(n string) string {
	return "Ensure this field has no more than " + n + " elements."
}
func msgLeastItems(n string) string { return "Ensure this field has at least " + n + " elements." }

func msgEnum(value string, choices []string) string {
	return "'" + value + "' is not a valid choice. Expected one of ['" + strings.Join(choices, "', '") + "']."
}
