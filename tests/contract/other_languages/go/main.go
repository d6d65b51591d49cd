// A CPO's back end in Go, as small as it gets: it registers from an invitation, publishes a location, asks whether a
// token may charge there and submits a CDR, twice, as one does when an answer was lost. It prints what it learned as one
// line of JSON.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	decimal "roamhub.test/client/googletype"
	pb "roamhub.test/client/roamhubv1"
)

var (
	register = flag.String("register", "", "host:port of the hub's registration")
	caFile   = flag.String("ca", "", "file with the certificate of the hub's CA, PEM")
	code     = flag.String("code", "", "one-time code of the invitation")
	token    = flag.String("token", "", "uid of the driver's token")
	emsp     = flag.String("emsp", "", "the eMSP, such as NL-EMS")
	location = flag.String("location", "", "id of the location")
)

func main() {
	flag.Parse()
	result, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, describe(err))
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		os.Exit(1)
	}
}

// describe adds the reason that every refusal of the hub carries.
func describe(err error) string {
	text := err.Error()
	for _, detail := range status.Convert(err).Details() {
		switch info := detail.(type) {
		case *errdetails.ErrorInfo:
			text += " [" + info.GetReason() + "]"
		case *errdetails.BadRequest:
			for _, violation := range info.GetFieldViolations() {
				text += " [" + violation.GetField() + ": " + violation.GetDescription() + "]"
			}
		}
	}
	return text
}

func run() (map[string]any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Second)
	defer cancel()

	key, registered, err := registerPlatform(ctx)
	if err != nil {
		return nil, err
	}
	connection, err := connect(key, registered)
	if err != nil {
		return nil, err
	}
	defer connection.Close()

	cpo, driver := partyOf(registered.GetParties()[0]), partyOf("parties/"+*emsp)
	if _, err := pb.NewLocationServiceClient(connection).PutLocation(ctx, &pb.PutLocationRequest{Location: locationOf(cpo)}); err != nil {
		return nil, err
	}
	if _, err := pb.NewTariffServiceClient(connection).PutTariff(ctx, &pb.PutTariffRequest{Tariff: tariffOf(cpo)}); err != nil {
		return nil, err
	}
	answer, err := pb.NewAuthorizationServiceClient(connection).Authorize(ctx, &pb.AuthorizeRequest{
		Cpo:       cpo,
		TokenUid:  *token,
		TokenType: "RFID",
		Emsp:      driver,
		Location:  &pb.LocationReferences{LocationId: *location},
	})
	if err != nil {
		return nil, err
	}

	request := &pb.SubmitCdrRequest{RequestId: newUUID(), Cdr: cdrOf(cpo, driver, answer)}
	client := pb.NewCdrServiceClient(connection)
	first, err := client.SubmitCdr(ctx, request)
	if err != nil {
		return nil, err
	}
	again, err := client.SubmitCdr(ctx, request)
	if err != nil {
		return nil, err
	}
	request.Cdr.TotalEnergy = number("99")
	_, conflict := client.SubmitCdr(ctx, request)
	findings := []string{}
	for _, finding := range first.GetFindings() {
		findings = append(findings, finding.GetCode())
	}
	return map[string]any{
		"platform":  registered.GetPlatform(),
		"allowed":   answer.GetAllowed().String(),
		"reference": answer.GetAuthorizationReference(),
		"state":     first.GetState().String(),
		"index":     first.GetReceipt().GetJournalIndex(),
		"again":     again.GetReceipt().GetJournalIndex(),
		"findings":  findings,
		"conflict":  status.Code(conflict).String(),
	}, nil
}

// registerPlatform makes a key and has it certified against the invitation's code.
func registerPlatform(ctx context.Context) (*ecdsa.PrivateKey, *pb.RegisterResponse, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, nil, err
	}
	ca, err := os.ReadFile(*caFile)
	if err != nil {
		return nil, nil, err
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(ca)
	connection, err := grpc.NewClient(*register, grpc.WithTransportCredentials(credentials.NewClientTLSFromCert(trusted, "")))
	if err != nil {
		return nil, nil, err
	}
	defer connection.Close()
	response, err := pb.NewRegistrationServiceClient(connection).Register(ctx, &pb.RegisterRequest{
		Code:   *code,
		CsrPem: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr})),
	})
	return key, response, err
}

// connect calls the hub with the certificate that registration gave.
func connect(key *ecdsa.PrivateKey, registered *pb.RegisterResponse) (*grpc.ClientConn, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(
		[]byte(registered.GetCertificate().GetChainPem()),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	)
	if err != nil {
		return nil, err
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM([]byte(registered.GetCaPem()))
	secure := credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: trusted, MinVersion: tls.VersionTLS13})
	return grpc.NewClient(registered.GetEndpoint(), grpc.WithTransportCredentials(secure))
}

func cdrOf(cpo, emsp *pb.PartyKey, answer *pb.Authorization) *pb.Cdr {
	end := time.Now().UTC().Truncate(time.Second)
	start := end.Add(-time.Hour)
	reference := answer.GetAuthorizationReference()
	contract := answer.GetToken().GetContractId()
	place := locationOf(cpo)
	evse := place.GetEvses()[0]
	connector := evse.GetConnectors()[0]
	return &pb.Cdr{
		CountryCode:            cpo.GetCountryCode(),
		PartyId:                cpo.GetPartyId(),
		Id:                     "GO-1",
		StartDateTime:          timestamppb.New(start),
		EndDateTime:            timestamppb.New(end),
		AuthMethod:             pb.AuthMethod_AUTH_METHOD_AUTH_REQUEST,
		AuthorizationReference: &reference,
		CdrToken: &pb.CdrToken{
			CountryCode: emsp.GetCountryCode(),
			PartyId:     emsp.GetPartyId(),
			Uid:         *token,
			Type:        "RFID",
			ContractId:  contract,
		},
		CdrLocation: &pb.CdrLocation{
			Id:                 place.GetId(),
			Address:            place.GetAddress(),
			City:               place.GetCity(),
			Country:            place.GetCountry(),
			Coordinates:        place.GetCoordinates(),
			EvseUid:            evse.GetUid(),
			EvseId:             evse.GetEvseId(),
			ConnectorId:        connector.GetId(),
			ConnectorStandard:  connector.GetStandard(),
			ConnectorFormat:    connector.GetFormat(),
			ConnectorPowerType: connector.GetPowerType(),
		},
		Currency: "EUR",
		Tariffs:  []*pb.Tariff{tariffOf(cpo)},
		ChargingPeriods: []*pb.ChargingPeriod{{
			StartDateTime: timestamppb.New(start),
			Dimensions: []*pb.CdrDimension{
				{Type: pb.CdrDimensionType_CDR_DIMENSION_TYPE_ENERGY, Volume: number("11")},
				{Type: pb.CdrDimensionType_CDR_DIMENSION_TYPE_TIME, Volume: number("1")},
			},
		}},
		TotalCost:   &pb.Price{BeforeTaxes: number("3.30")},
		TotalEnergy: number("11"),
		TotalTime:   number("1"),
		LastUpdated: timestamppb.New(end),
	}
}

func tariffOf(cpo *pb.PartyKey) *pb.Tariff {
	return &pb.Tariff{
		CountryCode: cpo.GetCountryCode(),
		PartyId:     cpo.GetPartyId(),
		Id:          "T-1",
		Currency:    "EUR",
		Elements: []*pb.TariffElement{{
			PriceComponents: []*pb.PriceComponent{{
				Type:  pb.TariffDimensionType_TARIFF_DIMENSION_TYPE_ENERGY,
				Price: number("0.30"),
			}},
		}},
		LastUpdated: timestamppb.New(time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)),
	}
}

func locationOf(cpo *pb.PartyKey) *pb.Location {
	now := timestamppb.New(time.Now().Add(-time.Hour))
	publish, evseID, volts, amperes := true, "NL*ABC*E1", int32(230), int32(16)
	return &pb.Location{
		CountryCode: cpo.GetCountryCode(),
		PartyId:     cpo.GetPartyId(),
		Id:          *location,
		Publish:     &publish,
		Address:     "Stationsplein 1",
		City:        "Utrecht",
		Country:     "NLD",
		Coordinates: &pb.GeoLocation{Latitude: "52.089444", Longitude: "5.109722"},
		TimeZone:    "Europe/Amsterdam",
		LastUpdated: now,
		Evses: []*pb.Evse{{
			Uid:         "EVSE-1",
			EvseId:      &evseID,
			Status:      pb.EvseStatus_EVSE_STATUS_AVAILABLE,
			LastUpdated: now,
			Connectors: []*pb.Connector{{
				Id:          "1",
				Standard:    "IEC_62196_T2",
				Format:      pb.ConnectorFormat_CONNECTOR_FORMAT_SOCKET,
				PowerType:   pb.PowerType_POWER_TYPE_AC_3_PHASE,
				MaxVoltage:  &volts,
				MaxAmperage: &amperes,
				LastUpdated: now,
			}},
		}},
	}
}

func number(text string) *decimal.Decimal { return &decimal.Decimal{Value: text} }

// partyOf reads a resource name such as parties/nl-abc.
func partyOf(name string) *pb.PartyKey {
	country, party, _ := strings.Cut(strings.ToUpper(strings.TrimPrefix(name, "parties/")), "-")
	return &pb.PartyKey{CountryCode: country, PartyId: party}
}

func newUUID() string {
	var random [16]byte
	_, _ = rand.Read(random[:])
	random[6], random[8] = random[6]&0x0f|0x40, random[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", random[:4], random[4:6], random[6:8], random[8:10], random[10:])
}
