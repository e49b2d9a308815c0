package main

import (
	"bytes"
	"fmt"
	"io/ioutil"
	"os"

	kms "github.com/aliyun/alibaba-cloud-sdk-go/services/kms"
	"github.com/aliyun/aliyun-oss-go-sdk/oss"
	"github.com/aliyun/aliyun-oss-go-sdk/oss/crypto"
)

func main() {
	// Create an OSSClient instance.
	client, err := oss.New(os.Getenv("OSS_ENDPOINT"), os.Getenv("OSS_ACCESS_KEY_ID"), os.Getenv("OSS_ACCESS_KEY_SECRET"))
	if err != nil {
		fmt.Println("Error:", err)
		os.Exit(-1)
	}

	// Create a KMSClient instance.
	kmsClient, err := kms.NewClientWithAccessKey(os.Getenv("KMS_REGION"), os.Getenv("OSS_ACCESS_KEY_ID"), os.Getenv("OSS_ACCESS_KEY_SECRET"))
	if err != nil {
		fmt.Println("Error:", err)
		os.Exit(-1)
	}

	kmsClient.Domain = os.Getenv("KMS_ENDPOINT")

	// Specify a description for the CMK. The description cannot be modified after being specified. You can specify only one description for a CMK.
	// If all objects share a CMK, you can leave the description of the CMK empty. In this case, the CMK cannot be replaced.
	// If the description of the CMK is empty, the client cannot determine which CMK to use for decryption.
	// We recommend that you configure a description (a JSON string) for each CMK and store the mapping relationship between the CMK and description on the client. The server does not store the relationship.

	// Convert the CMK description (a JSON string) into a mapping relationship.
	materialDesc := make(map[string]string)
	materialDesc["desc"] = "<your kms encrypt key material describe information>"

	// Create a CMK object based on the CMK description.
	masterkmsCipher, err := osscrypto.CreateMasterAliKms(materialDesc, os.Getenv("KMS_KEY"), kmsClient)
	if err != nil {
		fmt.Println("Error:", err)
		os.Exit(-1)
	}

	// Create an encryption operation based on the CMK object and perform encryption in AES CTR mode.
	contentProvider := osscrypto.CreateAesCtrCipher(masterkmsCipher)

	// Obtain an existing bucket to be used in client-side encryption.
	// The usage of a bucket used in client-side encryption is similar to that of a common bucket.
	cryptoBucket, err := osscrypto.GetCryptoBucket(client, os.Getenv("OSS_BUCKET"), contentProvider)
	if err != nil {
		fmt.Println("Error:", err)
		os.Exit(-1)
	}

	// The system performs encryption when PutObject is called.
	err = cryptoBucket.PutObject(os.Getenv("OSS_OBJECT"), bytes.NewReader([]byte("yourObjectValueByteArrary")))
	if err != nil {
		fmt.Println("Error:", err)
		os.Exit(-1)
	}

	// The system performs decryption when GetObject is called.
	body, err := cryptoBucket.GetObject(os.Getenv("OSS_OBJECT"))
	if err != nil {
		fmt.Println("Error:", err)
		os.Exit(-1)
	}
	defer body.Close()

	data, err := ioutil.ReadAll(body)
	if err != nil {
		fmt.Println("Error:", err)
		os.Exit(-1)
	}
	fmt.Println("data:", string(data))
}
