// Command daprd is Dapr's sidecar with Dapr's stable components, and with the
// two bindings for mail, which only Dapr's official images have besides them.
package main

import (
	"github.com/dapr/components-contrib/bindings/smtp"
	"github.com/dapr/components-contrib/bindings/twilio/sendgrid"
	"github.com/dapr/dapr/cmd/daprd/app"
	"github.com/dapr/dapr/pkg/components/bindings"
)

func main() {
	bindings.DefaultRegistry.RegisterOutputBinding(smtp.NewSMTP, "smtp")
	bindings.DefaultRegistry.RegisterOutputBinding(sendgrid.NewSendGrid, "twilio.sendgrid")
	app.Run()
}
