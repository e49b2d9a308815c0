import com.aliyun.oss.ClientBuilderConfiguration;
import com.aliyun.oss.OSSEncryptionClient;
import com.aliyun.oss.OSSEncryptionClientBuilder;
import com.aliyun.oss.common.auth.CredentialsProvider;
import com.aliyun.oss.common.auth.DefaultCredentialProvider;
import com.aliyun.oss.common.comm.SignVersion;
import com.aliyun.oss.crypto.EncryptionMaterials;
import com.aliyun.oss.crypto.MultipartUploadCryptoContext;
import com.aliyun.oss.crypto.SimpleRSAEncryptionMaterials;
import com.aliyun.oss.model.CompleteMultipartUploadRequest;
import com.aliyun.oss.model.GetObjectRequest;
import com.aliyun.oss.model.InitiateMultipartUploadRequest;
import com.aliyun.oss.model.OSSObject;
import com.aliyun.oss.model.PartETag;
import com.aliyun.oss.model.UploadPartRequest;
import com.aliyuncs.profile.DefaultProfile;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.File;
import java.io.FileInputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.nio.file.StandardCopyOption;
import java.security.KeyPair;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Driver of com.aliyun.oss:aliyun-sdk-oss: one JSON request a line, one JSON answer a line. */
public final class JavaV1 {
    private static final Map<String, OSSEncryptionClient> CLIENTS = new HashMap<>();

    private JavaV1() {}

    public static void main(String[] arguments) throws Exception {
        // The SDK logs to standard output where no logging is set up; answers must stay alone there.
        PrintStream output = new PrintStream(System.out, true, "UTF-8");
        System.setOut(System.err);
        BufferedReader input =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            JsonObject answer = new JsonObject();
            try {
                serve(JsonParser.parseString(line).getAsJsonObject());
                answer.addProperty("ok", true);
            } catch (Throwable error) {
                answer.addProperty("ok", false);
                answer.addProperty("error", error.toString());
            }
            output.println(answer);
        }
        CLIENTS.values().forEach(OSSEncryptionClient::shutdown);
    }

    private static void serve(JsonObject request) throws Throwable {
        JsonObject settings = request.getAsJsonObject("client");
        OSSEncryptionClient client = CLIENTS.get(settings.toString());
        if (client == null) {
            client = open(settings);
            CLIENTS.put(settings.toString(), client);
        }
        String bucket = text(settings, "bucket");
        String name = text(request, "name");
        File file = new File(text(request, "file"));
        switch (text(request, "op")) {
            case "put":
                client.putObject(bucket, name, file);
                break;
            case "multipart":
                multipart(client, bucket, name, file, request.get("part_size").getAsLong());
                break;
            case "get":
                get(client, new GetObjectRequest(bucket, name, version(request)), request, file);
                break;
            default:
                throw new IllegalArgumentException("unknown op");
        }
    }

    private static OSSEncryptionClient open(JsonObject settings) throws Exception {
        EncryptionMaterials materials =
                settings.getAsJsonArray("keys").get(0).getAsJsonObject().get("kms").getAsString()
                                .isEmpty()
                        ? rsa(settings)
                        : kms(settings);
        ClientBuilderConfiguration configuration = new ClientBuilderConfiguration();
        boolean v4 = text(settings, "signature").equals("v4");
        configuration.setSignatureVersion(v4 ? SignVersion.V4 : SignVersion.V1);
        OSSEncryptionClient client =
                new OSSEncryptionClientBuilder()
                        .build(
                                text(settings, "endpoint"),
                                credentials(settings),
                                materials,
                                configuration);
        if (v4) {
            client.setRegion(text(settings, "region"));
        }
        return client;
    }

    private static DefaultCredentialProvider credentials(JsonObject settings) {
        return new DefaultCredentialProvider(
                text(settings, "access_key_id"), text(settings, "access_key_secret"));
    }

    /** The first key, which is in a KMS; by reflection, as not every release has its class. */
    private static EncryptionMaterials kms(JsonObject settings) throws Exception {
        String region = text(settings, "region");
        DefaultProfile.addEndpoint(region, "Kms", text(settings, "kms"));
        JsonObject key = settings.getAsJsonArray("keys").get(0).getAsJsonObject();
        Class<?> materials = Class.forName("com.aliyun.oss.crypto.KmsEncryptionMaterials");
        Object made =
                materials
                        .getConstructor(String.class, String.class, Map.class)
                        .newInstance(region, text(key, "kms"), description(key.get("description")));
        materials
                .getMethod("setKmsCredentialsProvider", CredentialsProvider.class)
                .invoke(made, credentials(settings));
        return (EncryptionMaterials) made;
    }

    private static EncryptionMaterials rsa(JsonObject settings) {
        SimpleRSAEncryptionMaterials materials = null;
        for (JsonElement element : settings.getAsJsonArray("keys")) {
            JsonObject key = element.getAsJsonObject();
            KeyPair pair =
                    new KeyPair(
                            SimpleRSAEncryptionMaterials.getPublicKeyFromPemX509(
                                    text(key, "public")),
                            SimpleRSAEncryptionMaterials.getPrivateKeyFromPemPKCS8(
                                    text(key, "private")));
            Map<String, String> description = description(key.get("description"));
            if (materials == null && description == null) {
                materials = new SimpleRSAEncryptionMaterials(pair);
            } else if (materials == null) {
                materials = new SimpleRSAEncryptionMaterials(pair, description);
            } else {
                materials.addKeyPairDescMaterial(pair, description);
            }
        }
        return materials;
    }

    private static void multipart(
            OSSEncryptionClient client, String bucket, String name, File file, long partSize)
            throws Exception {
        MultipartUploadCryptoContext context = new MultipartUploadCryptoContext();
        context.setDataSize(file.length());
        context.setPartSize(partSize);
        String upload =
                client.initiateMultipartUpload(
                                new InitiateMultipartUploadRequest(bucket, name), context)
                        .getUploadId();
        List<PartETag> parts = new ArrayList<>();
        for (long start = 0; start < file.length(); start += partSize) {
            try (InputStream input = new FileInputStream(file)) {
                input.skip(start);
                UploadPartRequest part = new UploadPartRequest(bucket, name);
                part.setUploadId(upload);
                part.setInputStream(input);
                part.setPartSize(Math.min(partSize, file.length() - start));
                part.setPartNumber(parts.size() + 1);
                parts.add(client.uploadPart(part, context).getPartETag());
            }
        }
        client.completeMultipartUpload(
                new CompleteMultipartUploadRequest(bucket, name, upload, parts));
    }

    private static void get(
            OSSEncryptionClient client, GetObjectRequest get, JsonObject request, File file)
            throws Exception {
        String range = text(request, "range");
        if (!range.isEmpty()) {
            String[] ends = range.split("-", -1);
            get.setRange(
                    Long.parseLong(ends[0]), ends[1].isEmpty() ? -1 : Long.parseLong(ends[1]));
        }
        try (OSSObject object = client.getObject(get)) {
            Files.copy(
                    object.getObjectContent(),
                    Paths.get(file.getPath()),
                    StandardCopyOption.REPLACE_EXISTING);
        }
    }

    private static String version(JsonObject request) {
        String version = text(request, "version");
        return version.isEmpty() ? null : version;
    }

    private static Map<String, String> description(JsonElement element) {
        if (element == null || element.isJsonNull()) {
            return null;
        }
        Map<String, String> description = new HashMap<>();
        element.getAsJsonObject()
                .entrySet()
                .forEach(entry -> description.put(entry.getKey(), entry.getValue().getAsString()));
        return description;
    }

    private static String text(JsonObject object, String name) {
        return object.has(name) ? object.get(name).getAsString() : "";
    }
}
